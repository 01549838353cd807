"""Thin clients of fleetgate; they import the wire contract, never the server."""
