"""The research tables: many stocks, many days, in parts of bounded size; one service for each table."""

from qotgate.service.research.parts import part, parts
from qotgate.service.research.scope import MAX_ROWS

__all__ = ["MAX_ROWS", "part", "parts"]
