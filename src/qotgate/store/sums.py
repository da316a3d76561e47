"""Sums that are the same on every engine and at every repetition."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Float, Numeric, cast, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction


def whole_sum(column: ColumnElement[Any]) -> ColumnElement[int]:
    """The integer sum of an integer column; PostgreSQL's own sum is a decimal."""
    return cast(func.sum(column), BigInteger)


PARTS = 1_000_000


class exact_sum(GenericFunction[float]):  # noqa: N801 - named as an SQL function
    """The sum of floating-point numbers, independent of the order of rows.

    Both engines first round each value to a whole number of ``PARTS`` in the same way, and integer sums do
    not depend on order. PostgreSQL sums decimals; SQLite's floating-point numbers are exact up to 9e15 parts,
    9e9 dollars.
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
    # Rounds halves away from zero, as SQLite's round() does; PostgreSQL's own rounds them to even.
    parts = clause * cast(float(PARTS), Float)
    whole = cast(func.trunc(parts + func.sign(parts) * cast(0.5, Float)), Numeric)
    return compiler.process(cast(func.sum(whole), Float) / cast(float(PARTS), Float), **keywords)
