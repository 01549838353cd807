// Many clusters' list and watch from memory, as fast as tests and benchmarks need them. The standard library is enough.
module fleetgate.dev/tests/listwatch

go 1.26.0
