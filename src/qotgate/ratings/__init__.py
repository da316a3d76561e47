"""What analysts changed: pure functions on model words."""
