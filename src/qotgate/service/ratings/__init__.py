"""Analysts' rating changes: the questions about them, and how they follow from the published notes."""
