"""An imitation of the Retently API, for the demo, the tests and the benchmarks. It is not part of the connector."""
