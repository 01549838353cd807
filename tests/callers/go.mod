// Callers of the decision service for benchmarks, from a program that costs them little. The standard library is enough.
module fleetgate.dev/tests/callers

go 1.26.0
