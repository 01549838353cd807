"""Which clusters there are: sources → registrations → one cluster per API server, with all its names."""
