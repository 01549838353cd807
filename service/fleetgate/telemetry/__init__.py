"""Metrics, traces and logs. Imports nothing else of fleetgate; anybody may import it."""
