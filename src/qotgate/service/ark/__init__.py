"""The questions about the ARK funds' holdings and trades, and how trades are derived from published files."""
