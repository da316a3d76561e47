"""What the ARK funds hold and trade: the questions about it, and how it follows from the published files."""
