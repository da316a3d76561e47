"""Sums that come out the same on every engine, and each time they are asked for."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Float, Numeric, cast, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction


def whole_sum(column: ColumnElement[Any]) -> ColumnElement[int]:
    """The sum of whole numbers, as one; PostgreSQL's own is a decimal number."""
    return cast(func.sum(column), BigInteger)


PARTS = 1_000_000


class exact_sum(GenericFunction[float]):  # noqa: N801 - it is a function of SQL
    """The sum of floating-point numbers, whatever order the rows are met in.

    Each is rounded to a whole number of ``PARTS`` first, in the same way by both engines: whole numbers have
    one sum. PostgreSQL adds them up as decimal numbers; SQLite's floating-point numbers are exact up to 9e15
    of these parts, 9e9 dollars.
    """

    type = Float()
    inherit_cache = True


@compiles(exact_sum)
def _sum(element: exact_sum, compiler: SQLCompiler, **keywords: Any) -> str:
    (clause,) = element.clauses
    return compiler.process(func.sum(func.round(clause * float(PARTS))) / float(PARTS), **keywords)


@compiles(exact_sum, "postgresql")
def _sum_of_decimals(element: exact_sum, compiler: SQLCompiler, **keywords: Any) -> str:
    (clause,) = element.clauses
    # As SQLite's round() does it, halves away from zero; PostgreSQL's own rounds them to even.
    parts = clause * cast(float(PARTS), Float)
    whole = cast(func.trunc(parts + func.sign(parts) * cast(0.5, Float)), Numeric)
    return compiler.process(cast(func.sum(whole), Float) / cast(float(PARTS), Float), **keywords)
