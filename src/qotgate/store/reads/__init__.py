"""The services' queries, by subject. Each call reads within the given transaction."""

from qotgate.store.reads import ark, columns, files, funds, ratings, research, securities

__all__ = ["ark", "columns", "files", "funds", "ratings", "research", "securities"]
