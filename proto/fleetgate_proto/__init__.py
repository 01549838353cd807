"""The wire contract of fleetgate."""
