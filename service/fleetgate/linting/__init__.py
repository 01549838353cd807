"""Files in, findings out: what ``fleetgate lint`` does before it prints."""
