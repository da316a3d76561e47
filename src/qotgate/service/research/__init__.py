"""The research tables: many stocks, many days, in parts of bounded size; one service for each table."""

from qotgate.service.research.parts import part, parts
from qotgate.service.research.scope import MAX_ROWS, of_fund, of_funds

__all__ = ["MAX_ROWS", "of_fund", "of_funds", "part", "parts"]
