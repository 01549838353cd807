"""fleetgate: the policy decision service."""
