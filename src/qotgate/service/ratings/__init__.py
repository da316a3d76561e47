"""Analysts' rating changes: the questions about them, and how they are derived from published notes."""
