"""The evidence of a trade in an answer: its ground, files and lines."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from qotgate.ark.grounds import CONFIDENCE, Ground
from qotgate.model import TradeEvidence
from qotgate.store import reads
from qotgate.store.reads.ark import Place
from qotgate.store.tables import Row

NOTICE_GROUND = "a trade notice"


def places_of(
    connection: Connection, security_id: int, rows: Sequence[Row]
) -> Callable[[Row], Sequence[Place]]:
    """A function that returns the places of one of ``rows`` (from
    :func:`qotgate.store.reads.ark.explained_trades`): its notice, or its lines in the two files whose
    difference it is."""
    ends = {end for row in rows for end in (row["before"], row["after"]) if end}
    notices = reads.ark.places(connection, "notice", security_id, {row["day"] for row in rows})
    holdings = reads.ark.places(connection, "holding", security_id, ends)
    # A position that was opened or closed is missing in one of the two files.
    for end, place in reads.ark.snapshots(connection, ends).items():
        holdings.setdefault(end, [place])

    def behind(row: Row) -> Sequence[Place]:
        fund = row["fund"]
        if row["ground"] is None:
            return notices.get((fund, row["day"]), [])
        return [place for end in (row["before"], row["after"]) for place in holdings.get((fund, end), [])]

    return behind


def confidence_of(row: Row) -> float:
    """1 for a notice, else the share of such inferred trades that notices confirm."""
    return CONFIDENCE[Ground[row["ground"]]] if row["ground"] else 1.0


def evidence(row: Row, places: Sequence[Place]) -> TradeEvidence:
    """The evidence of a row from :func:`qotgate.store.reads.ark.explained_trades`."""
    return TradeEvidence(
        fund=row["fund"],
        day=row["day"],
        through=row["through"],
        shares=row["shares"],
        ground=Ground[row["ground"]].value if row["ground"] else NOTICE_GROUND,
        confidence=confidence_of(row),
        change=row["change"],
        flow=row["flow"],
        places=tuple((place.path, place.line) for place in places),
    )
