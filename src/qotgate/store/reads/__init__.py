"""What the services ask the database, by subject. Each call reads within the transaction it is given."""

from qotgate.store.reads import ark, columns, files, funds, ratings, research, securities

__all__ = ["ark", "columns", "files", "funds", "ratings", "research", "securities"]
