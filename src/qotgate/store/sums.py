"""Sums that come out the same on every engine, and each time they are asked for."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Float, Numeric, cast, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction


def whole_sum(column: ColumnElement[Any]) -> ColumnElement[int]:
    """The sum of whole numbers, as one; PostgreSQL's own is a decimal number."""
    return cast(func.sum(column), BigInteger)


class exact_sum(GenericFunction[float]):  # noqa: N801 - it is a function of SQL
    """The sum of floating-point numbers, whatever order the rows are met in.

    PostgreSQL promises no order and adds them up as decimal numbers, without rounding; SQLite meets the rows
    of a group in the order of its index.
    """

    type = Float()
    inherit_cache = True


@compiles(exact_sum)
def _sum(element: exact_sum, compiler: SQLCompiler, **keywords: Any) -> str:
    return compiler.process(func.sum(*element.clauses), **keywords)


@compiles(exact_sum, "postgresql")
def _sum_of_decimals(element: exact_sum, compiler: SQLCompiler, **keywords: Any) -> str:
    decimals = (cast(clause, Numeric) for clause in element.clauses)
    return compiler.process(cast(func.sum(*decimals), Float), **keywords)
