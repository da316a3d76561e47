"""The parts of the gateway's benchmark: the measured servers, a load generator, data."""
