"""What a trade behind an answer rests on: its ground, and the files and lines that say so."""

from datetime import date

from qotgate.ark.inference import CONFIDENCE, Ground
from qotgate.model import TradeEvidence
from qotgate.store.queries import Row

Places = dict[tuple[str, date], list[tuple[str, int | None]]]
"""Files and lines by fund and day; the line is None where a file tells by not having the security."""


def evidence(row: Row, notices: Places, holdings: Places) -> TradeEvidence:
    """The evidence of one of :func:`qotgate.store.queries.explained_trades`; ``notices`` and ``holdings``
    are the lines of the security that it may rest on."""
    fund, day = row["fund"], row["day"]
    if row["ground"] is None:
        ground, confidence, places = "a trade notice", 1.0, notices.get((fund, day), [])
    else:
        basis = Ground[row["ground"]]
        ground, confidence = basis.value, CONFIDENCE[basis]
        places = [place for end in (row["before"], row["after"]) for place in holdings.get((fund, end), [])]
    return TradeEvidence(
        fund=fund,
        day=day,
        through=row["through"],
        shares=row["shares"],
        ground=ground,
        confidence=confidence,
        change=row["change"],
        flow=row["flow"],
        places=tuple(places),
    )
