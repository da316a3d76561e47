"""The data of one generation as columns in memory, and the cache that keeps them."""
