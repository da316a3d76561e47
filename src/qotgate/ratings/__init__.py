"""Analysts' rating changes: pure functions on the model."""
