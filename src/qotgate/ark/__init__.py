"""ARK's trades, inferred from its publications: pure functions on the model."""
