"""The inputs of derived trades, and where they are written.

Every call works inside the single writing transaction of a load.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, delete, func, select, update

from qotgate.store import changes, tables
from qotgate.store.bulk import chunks, insert_rows
from qotgate.store.sums import whole_sum
from qotgate.store.tables import Row

FundDay = tuple[str, date]


class BookDay(NamedTuple):
    """A fund's holdings file: the last trading day that it shows, and its own date."""

    through: date
    day: date


def book_days(connection: Connection, fund: str, since: date, before: int) -> list[BookDay]:
    """A fund's books that show ``since`` or a later day, and the last ``before`` earlier ones, oldest first.

    Of files that show the same day, the one with the latest date counts.
    """
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
    """The last trading day shown by each holdings file at the ends of some ``gaps`` (fund, file, file)."""
    if not gaps:
        return {}
    snapshot = tables.snapshot
    first, last = min(gap[1] for gap in gaps), max(gap[2] for gap in gaps)
    query = select(snapshot.c.fund, snapshot.c.day, snapshot.c.through)
    rows = connection.execute(query.where(snapshot.c.day.between(first, last)))
    return {(row[0], row[1]): row[2] for row in rows}


def redate_books(connection: Connection, shown: Callable[[date], date]) -> set[FundDay]:
    """Recompute which trading day each holdings file shows. Returns the fund and that day of every changed
    file."""
    snapshot = tables.snapshot
    for day, through in connection.execute(select(snapshot.c.day, snapshot.c.through).distinct()).all():
        if shown(day) != through:
            values = {"through": shown(day)}
            changes.touch(connection, "ark", min(shown(day), through))
            connection.execute(update(snapshot).where(snapshot.c.day == day).values(values))
    rows = connection.execute(select(snapshot.c.fund, snapshot.c.through))
    return {(row[0], row[1]) for row in rows}


def differences(connection: Connection, fund: str, start: date | None) -> dict[date, tuple[date, Any]]:
    """The stored inferences of a fund from ``start`` on (from the first day if None): by the day of the
    earlier file, the day of the later one and the state."""
    difference = tables.difference
    query = select(difference).where(difference.c.fund == fund)
    if start is not None:
        query = query.where(difference.c.before >= start)
    return {row.before: (row.after, row.state) for row in connection.execute(query)}


def all_differences(
    connection: Connection, since: date, until: date
) -> Iterator[tuple[str, date, date, Any]]:
    """(fund, day of the earlier file, day of the later one, state) of the inferences between two days."""
    difference = tables.difference
    query = select(difference.c.fund, difference.c.before, difference.c.after, difference.c.state).where(
        difference.c.before.between(since, until)
    )
    return (tuple(row) for row in connection.execute(query))


def save_differences(connection: Connection, rows: Sequence[Row]) -> None:
    """Store inferences, rows of ``fund``, ``before``, ``after`` and ``state``, replacing those with the same
    earlier file."""
    difference = tables.difference
    old: dict[str, list[date]] = {}
    for row in rows:
        old.setdefault(row["fund"], []).append(row["before"])
    for fund, days in old.items():
        drop_differences(connection, fund, days)
    insert_rows(connection, difference, rows)


def drop_differences(connection: Connection, fund: str, days: Collection[date]) -> None:
    """Delete the inferences that start at some earlier files."""
    difference = tables.difference
    for some in chunks(sorted(days)):
        here = and_(difference.c.fund == fund, difference.c.before.in_(some))
        connection.execute(delete(difference).where(here))


def security_ids(connection: Connection, codes: Collection[str]) -> dict[str, int]:
    """The securities of some codes, without unknown codes."""
    spelling = tables.spelling
    query = select(spelling.c.code, spelling.c.security_id).where(spelling.c.code.in_(codes)).distinct()
    return {row.code: row.security_id for row in connection.execute(query)}


def identified(connection: Connection, fund: str, days: tuple[date, date]) -> set[tuple[int, int]]:
    """Pairs of a security in the first and another in the second of two books of a fund whose lines share an
    identifier, whether it is believed or not."""
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
    """A security's share counts in the books of the days from ``since`` to ``until``, by fund, oldest
    first."""
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


def positions(
    connection: Connection, fund: str, days: Collection[date]
) -> dict[date, dict[int, tuple[float, float | None]]]:
    """Shares and market value in USD by security, without cash, of a fund's files of some ``days``."""
    holding = tables.holding
    found: dict[date, dict[int, tuple[float, float | None]]] = {day: {} for day in days}
    if found:
        query = (
            select(
                *(holding.c.day, holding.c.security_id),
                *(func.sum(holding.c.shares), func.sum(holding.c.market_value)),
            )
            .where(holding.c.fund == fund, holding.c.day.between(min(found), max(found)))
            .where(holding.c.security_id.is_not(None))
            .group_by(holding.c.day, holding.c.security_id)
            .order_by(holding.c.day, holding.c.security_id)
        )
        # Fetched at once, as each row by itself takes as long again.
        for day, security, shares, value in connection.execute(query).all():
            if day in found:
                found[day][security] = shares, value
    return found


def noticed(connection: Connection, fund: str, shown: date, through: date) -> dict[date, dict[int, int]]:
    """The net shares of a fund's notices after ``shown``, up to ``through``, by day and security."""
    notice = tables.notice
    query = (
        select(notice.c.day, notice.c.security_id, whole_sum(notice.c.shares))
        .where(notice.c.fund == fund, notice.c.day > shown, notice.c.day <= through)
        .group_by(notice.c.day, notice.c.security_id)
        .order_by(notice.c.day, notice.c.security_id)
    )
    found: dict[date, dict[int, int]] = {}
    for day, security, shares in connection.execute(query):
        found.setdefault(day, {})[security] = int(shares)
    return found


def replace_trades(
    connection: Connection,
    spans: Iterable[tuple[str, date, date]],
    *,
    days: Sequence[Row],
    trades: Sequence[Row],
    splits: Sequence[Row],
) -> None:
    """Replace trades, covered days and splits in some ``spans``: of a fund, after one day and up to
    another."""
    spans = list(spans)
    for _, shown, _ in spans:
        changes.touch(connection, "ark", shown if shown == date.min else shown + timedelta(days=1))
    for table, rows in ((tables.ark_day, days), (tables.trade, trades), (tables.split, splits)):
        for fund, shown, through in spans:
            here = and_(table.c.fund == fund, table.c.day > shown, table.c.day <= through)
            connection.execute(delete(table).where(here))
        insert_rows(connection, table, rows)
