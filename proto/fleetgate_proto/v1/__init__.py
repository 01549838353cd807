"""Protobuf messages and gRPC stubs of fleetgate.v1, generated from ``proto/fleetgate/v1``."""
