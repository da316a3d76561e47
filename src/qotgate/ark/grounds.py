"""The kinds of evidence for an inferred trade, and how often such a trade is right."""

from dataclasses import dataclass
from enum import StrEnum


class Ground(StrEnum):
    """The kind of evidence for an inferred trade: the change of a position between two holdings files.

    STILL: the fund had no flow, so the whole change is the trade. FLOW: the change minus the flow, for a
    security whose part in the flow is known. UNSURE: the change minus the flow, for a security that creations
    may leave out. OPENED, CLOSED: a new position, or one that is gone. GAP: the change minus the flow over
    several days, because files between are missing.
    """

    STILL = "holdings, no fund flow"
    FLOW = "holdings less fund flow"
    UNSURE = "holdings less estimated flow"
    OPENED = "new position"
    CLOSED = "closed position"
    GAP = "holdings, files missing between"


CONFIDENCE = {
    Ground.STILL: 0.98,
    Ground.FLOW: 0.99,
    Ground.UNSURE: 0.97,
    Ground.OPENED: 0.90,
    Ground.CLOSED: 0.90,
    Ground.GAP: 0.95,
}
"""The share of such trades that ARK's notices confirm, by security and sign. From 2020-11 to 2021-08, odd and
even months each give a rate, (confirmed + 1) / (trades + 2), which is tested on the other half. This table
has the lower rate, rounded down, 0.99 at most (docs/inference.md). For GAP, every third day's files were
removed."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence of a trade: the change of the position in shares, the part of it that was flow, both in
    the units of the trade, and how often such a trade is right."""

    ground: Ground
    change: float
    flow: int

    @property
    def confidence(self) -> float:
        return CONFIDENCE[self.ground]
