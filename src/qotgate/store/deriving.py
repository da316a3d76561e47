"""What trades are derived from, and where they are written.

Every call works inside the one writing transaction of a load.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from qotgate.store import changes, tables
from qotgate.store.bulk import insert_rows
from qotgate.store.sums import whole_sum
from qotgate.store.tables import Row

FundDay = tuple[str, date]


class BookDay(NamedTuple):
    """A holdings file of a fund: the last trading day that it shows, and the day that it is dated."""

    through: date
    day: date


def book_days(connection: Connection, fund: str, since: date, before: int) -> list[BookDay]:
    """A fund's books that show ``since`` or a later day, and the last ``before`` earlier ones, oldest first.

    Of files that show the same day the one that is dated last counts."""
    snapshot = tables.snapshot
    query = (
        select(snapshot.c.through, func.max(snapshot.c.day))
        .where(snapshot.c.fund == fund)
        .group_by(snapshot.c.through)
    )
    through = snapshot.c.through
    earlier = connection.execute(query.where(through < since).order_by(through.desc()).limit(before)).all()
    later = connection.execute(query.where(through >= since).order_by(through))
    return [BookDay(*row) for row in (*reversed(earlier), *later)]


def shown_days(connection: Connection, gaps: Collection[tuple[str, date, date]]) -> dict[FundDay, date]:
    """The last trading day that each holdings file at the ends of some ``gaps`` (fund, file, file) shows."""
    if not gaps:
        return {}
    snapshot = tables.snapshot
    first, last = min(gap[1] for gap in gaps), max(gap[2] for gap in gaps)
    query = select(snapshot.c.fund, snapshot.c.day, snapshot.c.through)
    rows = connection.execute(query.where(snapshot.c.day.between(first, last)))
    return {(row[0], row[1]): row[2] for row in rows}


def redate_books(connection: Connection, shown: Callable[[date], date]) -> set[FundDay]:
    """Write down anew which trading day each holdings file shows; the fund and that day of every file."""
    snapshot = tables.snapshot
    for day, through in connection.execute(select(snapshot.c.day, snapshot.c.through).distinct()).all():
        if shown(day) != through:
            values = {"through": shown(day)}
            changes.touch(connection, "ark", min(shown(day), through))
            connection.execute(update(snapshot).where(snapshot.c.day == day).values(values))
    rows = connection.execute(select(snapshot.c.fund, snapshot.c.through))
    return {(row[0], row[1]) for row in rows}


def differences(connection: Connection, fund: str, start: date | None) -> dict[date, tuple[date, Any]]:
    """What was inferred for a fund from ``start`` on, from the first day on if it is None: by the day of the
    earlier file, the day of the later one and the state."""
    difference = tables.difference
    query = select(difference).where(difference.c.fund == fund)
    if start is not None:
        query = query.where(difference.c.before >= start)
    return {row.before: (row.after, row.state) for row in connection.execute(query)}


def all_differences(
    connection: Connection, since: date, until: date
) -> Iterator[tuple[str, date, date, Any]]:
    """(fund, day of the earlier file, day of the later one, state) of what was inferred of the files between
    two days, by fund, oldest first."""
    difference = tables.difference
    query = (
        select(difference.c.fund, difference.c.before, difference.c.after, difference.c.state)
        .where(difference.c.before.between(since, until))
        .order_by(difference.c.fund, difference.c.before)
    )
    return (tuple(row) for row in connection.execute(query).all())


def save_difference(connection: Connection, fund: str, before: date, after: date, state: Any) -> None:
    drop_differences(connection, fund, [before])
    connection.execute(insert(tables.difference).values(fund=fund, before=before, after=after, state=state))


def drop_differences(connection: Connection, fund: str, days: Collection[date]) -> None:
    """Forget what was inferred from some earlier files on."""
    difference = tables.difference
    if days:
        here = and_(difference.c.fund == fund, difference.c.before.in_(days))
        connection.execute(delete(difference).where(here))


def security_ids(connection: Connection, codes: Collection[str]) -> dict[str, int]:
    """The securities of some codes, of those that are known."""
    spelling = tables.spelling
    query = select(spelling.c.code, spelling.c.security_id).where(spelling.c.code.in_(codes)).distinct()
    return {row.code: row.security_id for row in connection.execute(query)}


def identified(connection: Connection, fund: str, days: tuple[date, date]) -> set[tuple[int, int]]:
    """The pairs of a security in the first and another in the second of two books of a fund whose lines have
    an identifier in common, whether it is believed or not."""
    old, new = tables.holding.alias(), tables.holding.alias()
    query = select(old.c.security_id, new.c.security_id).where(
        old.c.fund == fund,
        new.c.fund == fund,
        old.c.day == days[0],
        new.c.day == days[1],
        old.c.identifier == new.c.identifier,
        old.c.identifier != "",
        old.c.security_id != new.c.security_id,
    )
    return {(row[0], row[1]) for row in connection.execute(query)}


def held(connection: Connection, security: int, since: date, until: date) -> dict[str, list[float]]:
    """The share counts of a security in the books that show the days from ``since`` to ``until``, by fund,
    oldest first."""
    holding, snapshot = tables.holding, tables.snapshot
    query = (
        select(holding.c.fund, snapshot.c.through, func.sum(holding.c.shares))
        .join(snapshot, and_(snapshot.c.fund == holding.c.fund, snapshot.c.day == holding.c.day))
        .where(holding.c.security_id == security, snapshot.c.through.between(since, until))
        .group_by(holding.c.fund, snapshot.c.through, holding.c.day)
        .order_by(holding.c.fund, snapshot.c.through, holding.c.day)
    )
    found: dict[str, dict[date, float]] = {}
    for fund, through, shares in connection.execute(query):
        found.setdefault(fund, {})[through] = shares
    return {fund: list(counts.values()) for fund, counts in found.items()}


def positions(connection: Connection, fund: str, day: date) -> Iterator[tuple[int, float, float | None]]:
    """(security id, shares, market value in USD) of a fund's day, without cash."""
    holding = tables.holding
    query = (
        select(holding.c.security_id, func.sum(holding.c.shares), func.sum(holding.c.market_value))
        .where(holding.c.fund == fund, holding.c.day == day, holding.c.security_id.is_not(None))
        .group_by(holding.c.security_id)
        .order_by(holding.c.security_id)
    )
    return (tuple(row) for row in connection.execute(query))


def noticed(connection: Connection, fund: str, shown: date | None, through: date | None) -> Iterator[Row]:
    """The net shares (day, security_id, shares) of a fund's notices after ``shown``, up to ``through``."""
    notice = tables.notice
    query = (
        select(notice.c.day, notice.c.security_id, whole_sum(notice.c.shares).label("shares"))
        .where(notice.c.fund == fund)
        .group_by(notice.c.day, notice.c.security_id)
        .order_by(notice.c.day, notice.c.security_id)
    )
    if shown is not None:
        query = query.where(notice.c.day > shown)
    if through is not None:
        query = query.where(notice.c.day <= through)
    return (dict(row) for row in connection.execute(query).mappings())


def replace_trades(
    connection: Connection,
    fund: str,
    shown: date | None,
    through: date | None,
    *,
    days: Sequence[Row],
    trades: Sequence[Row],
    splits: Sequence[Row],
) -> None:
    """Put new trades, covered days and splits in place of a fund's after ``shown``, up to ``through``."""
    changes.touch(connection, "ark", date.min if shown is None else shown + timedelta(days=1))
    for table, rows in ((tables.ark_day, days), (tables.trade, trades), (tables.split, splits)):
        old = delete(table).where(table.c.fund == fund)
        if shown is not None:
            old = old.where(table.c.day > shown)
        if through is not None:
            old = old.where(table.c.day <= through)
        connection.execute(old)
        insert_rows(connection, table, rows)
