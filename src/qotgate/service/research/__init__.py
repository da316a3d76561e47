"""The research tables: many stocks, many days, from one service each, in parts of bounded size."""

from qotgate.service.research.parts import part, parts
from qotgate.service.research.scope import MAX_ROWS, of_funds

__all__ = ["MAX_ROWS", "of_funds", "part", "parts"]
