"""What ARK traded, out of what it publishes: pure functions on model words."""
