"""The gRPC edge: knows gRPC and nothing of how decisions are made."""
