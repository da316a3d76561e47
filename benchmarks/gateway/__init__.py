"""What the benchmark of the gateway is made of: servers to measure, a load generator, data."""
