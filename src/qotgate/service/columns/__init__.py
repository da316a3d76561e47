"""The data of one generation as columns in memory, and their cache."""
