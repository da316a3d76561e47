"""The command line: one module a command; it reads options, calls, and prints."""
