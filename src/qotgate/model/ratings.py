"""Analyst notes and the changes between them."""

from dataclasses import dataclass
from datetime import date, time
from enum import IntEnum, StrEnum
from typing import NamedTuple

from qotgate.model.finite import FiniteNumbers
from qotgate.model.security import Security


class Grade(IntEnum):
    """The five-step scale on which a change of rating is measured; higher is better."""

    STRONG_SELL = 1
    SELL = 2
    HOLD = 3
    BUY = 4
    STRONG_BUY = 5


class RatingLevel(StrEnum):
    """The three-step level shown in answers."""

    UNKNOWN = "N/A"
    SELL = "SELL"
    HOLD = "HOLD"
    BUY = "BUY"


class RatingChangeType(StrEnum):
    """The kind of change that a note makes."""

    UPGRADE = "UPGRADE"
    DOWNGRADE = "DOWNGRADE"
    NEW_RATING = "NEW_RATING"


class Note(NamedTuple):
    """One note of one institution on one security, as a feed has it.

    ``firm``, ``word`` and ``prior_word`` are the feed's own spellings. Targets are in the currency of the
    listing; None if there is none. ``starts`` is True if the feed says that coverage starts.
    """

    security: Security
    name: str
    firm: str
    day: date
    time: time | None
    word: str
    target: float | None
    prior_word: str
    prior_target: float | None
    starts: bool
    line: int


@dataclass(frozen=True, slots=True)
class InstitutionRating(FiniteNumbers):
    """An institution's rating of a security on ``day``: the level (UNKNOWN if its word is not in the table of
    grades), and the target in the currency of the listing (None without a target).

    ``institution`` is its name in the requested language, ``uid`` its English name, by which a request can
    select it.
    """

    institution: str
    uid: str
    day: date
    rating: RatingLevel
    target_price: float | None


@dataclass(frozen=True, slots=True)
class AnalystConsensus(FiniteNumbers):
    """The institutions' consensus on a security at the end of ``known_to``, from the last note of each in the
    three months before; ``known_to`` is None in a client that named no day.

    ``buy``, ``hold`` and ``sell`` are the numbers of institutions on each level, ``rating`` the level of more
    than half of them, None if there is none. Targets are in the currency of the listing, None if none is
    known. ``newest`` is the day of the newest of these notes.
    """

    rating: RatingLevel | None
    buy: int
    hold: int
    sell: int
    highest: float | None
    average: float | None
    lowest: float | None
    newest: date | None
    known_to: date | None

    @property
    def total(self) -> int:
        """The number of institutions on all levels."""
        return self.buy + self.hold + self.sell


@dataclass(frozen=True, slots=True)
class RatingChange(FiniteNumbers):
    """One row of the answer. ``last_day`` is None if no earlier note is known; targets are in the currency of
    the listing."""

    security: Security
    name: str
    rating: RatingLevel
    last_rating: RatingLevel | None
    target_price: float | None
    last_target_price: float | None
    change_type: RatingChangeType
    institution: str
    day: date
    last_day: date | None
