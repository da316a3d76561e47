"""The command line: one module for each command; it reads options, calls, and prints."""
