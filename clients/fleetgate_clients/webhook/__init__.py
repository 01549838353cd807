"""The admission webhook of one cluster: AdmissionReview over HTTPS in, fleetgate.v1 over gRPC out.

The way of a request: ``server`` (HTTP) → ``admit`` (one request, top to bottom) → ``body`` → ``envelope`` →
``namespaces`` → ``review`` (the gRPC call) → ``answer``.
"""
