"""What the services ask the database, by subject. Each call reads within the transaction it is given."""

from qotgate.store.reads import ark, files, ratings, securities

__all__ = ["ark", "files", "ratings", "securities"]
