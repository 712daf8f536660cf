"""A stand-in of the Retently API, for the demo, the tests and the benchmarks. It is no part of the connector."""
