"""What an inferred trade rests on, and how often such a trade is right."""

from dataclasses import dataclass
from enum import StrEnum


class Ground(StrEnum):
    """What an inferred trade rests on: the change of a position between two holdings files.

    STILL: the fund had no flow, and the whole change is the trade. FLOW: less the flow of a security whose
    part in it is known. UNSURE: less the flow of one that creations may leave out. OPENED, CLOSED: a position
    that was not there, or is gone. GAP: over several days, as files between are missing, less their flow."""

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
"""The part of such trades that ARK's notices confirm, by security and sign. Of the months from 2020-11 to
2021-08 those of odd and those of even number each give a rate, (confirmed + 1) / (trades + 2), that is held
against the other half; the lower one stands here, rounded down, 0.99 at most (docs/inference.md). GAP: every
third day's files were taken away."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a trade is one: the change of the position in shares, the part of it that was flow, both in the
    units of the trade, and how often such a trade is right."""

    ground: Ground
    change: float
    flow: int

    @property
    def confidence(self) -> float:
        return CONFIDENCE[self.ground]
