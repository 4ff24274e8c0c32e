"""What the benchmarks of the network share."""
