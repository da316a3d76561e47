"""The extent of the data, its sources, and its rejects."""
