"""The version of the package, where everything can import it and it imports nothing."""

__version__ = "0.1.0"
