"""How far the data goes, where it comes from, and what was left out of it."""
