"""Audits: the continuous one, its history, and what it writes into the status of Constraints."""
