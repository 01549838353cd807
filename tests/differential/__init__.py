"""Gatekeeper's answers and ours, side by side: the same worlds and reviews through both, compared as a whole."""
