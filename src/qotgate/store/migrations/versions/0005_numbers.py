"""Removes numbers that readers reject now, from databases of versions that accepted them.

An infinite, huge or tiny share count broke every list that contained it. Its line becomes a rejected line, as
when the file is loaded today. The prices of trades around it, and derived numbers beyond the bounds, become
unknown.
"""

from datetime import timedelta

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MIN_NUMBER, MAX_NUMBER = 1e-6, 1e15
"""The readers' bounds at the time of this revision."""
NUMBERS = {
    "holding": ("shares", "market_value", "weight"),
    "notice": ("shares", "weight"),
}
"""Columns of lines."""
DERIVED = {
    "trade": ("price", "change"),
    "ark_day": ("flow",),
    "note": ("target", "prior_target"),
    "rating_change": ("target", "last_target"),
}


_REJECT = sa.table("reject", *map(sa.column, ("file_id", "line", "reason")))
AROUND = timedelta(days=30)
"""More days than an inference between two books can span."""


def upgrade() -> None:
    connection = op.get_bind()
    trade = _dated("trade", "security_id", "fund", "shares", "price")
    for name, columns in NUMBERS.items():
        lines = _dated(name, "id", "security_id", "fund", "file_id", "line", *columns)
        for column in columns:
            wrong = sa.and_(
                lines.c[column] != 0, sa.not_(sa.func.abs(lines.c[column]).between(MIN_NUMBER, MAX_NUMBER))
            )
            for row in connection.execute(sa.select(lines).where(wrong).order_by(lines.c.id)).all():
                value = getattr(row, column)
                reason = f"{column} is {value}, neither 0 nor from {MIN_NUMBER:g} to {MAX_NUMBER:g}"
                rejected = {"file_id": row.file_id, "line": row.line, "reason": reason}
                connection.execute(sa.insert(_REJECT).values(rejected))
                near = trade.c.day.between(row.day - AROUND, row.day + AROUND)
                here = sa.and_(trade.c.security_id == row.security_id, trade.c.fund == row.fund, near)
                connection.execute(sa.update(trade).values(price=None).where(here))
            connection.execute(sa.delete(lines).where(wrong))
    for name, columns in DERIVED.items():
        table = sa.table(name, *map(sa.column, columns))
        for column in columns:
            # This includes infinities, and PostgreSQL's NaN, which is greater than any number.
            beyond = sa.func.abs(table.c[column]) > MAX_NUMBER
            connection.execute(sa.update(table).values({column: None}).where(beyond))
    connection.execute(sa.delete(trade).where(sa.func.abs(trade.c.shares) > MAX_NUMBER))


def downgrade() -> None:
    """Do nothing: an earlier version can read the remaining rows."""


def _dated(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, sa.column("day", sa.Date()), *map(sa.column, columns))
