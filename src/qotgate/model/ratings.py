"""Analyst notes and the changes between them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """The three-step level that answers show."""

    UNKNOWN = "N/A"
    SELL = "SELL"
    HOLD = "HOLD"
    BUY = "BUY"


class RatingChangeType(StrEnum):
    """What a note changed."""

    UPGRADE = "UPGRADE"
    DOWNGRADE = "DOWNGRADE"
    NEW_RATING = "NEW_RATING"


class Note(NamedTuple):
    """One note of one institution on one security, as a feed gives it.

    ``firm``, ``word`` and ``prior_word`` are the feed's own spellings. Targets are in the currency of
    the listing; None where there is none. ``starts`` is True where the feed says that coverage starts.
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
class DatedRating:
    """What an institution said on a day: the level, UNKNOWN where its word tells none, and the target in the
    currency of the listing, None where it gave none."""

    day: date
    rating: RatingLevel
    target_price: float | None


@dataclass(frozen=True, slots=True)
class InstitutionRatings:
    """The ratings of one institution on one security, newest first, at least one; ``identity`` is its English
    name, ``name`` that of the language that was asked in."""

    identity: str
    name: str
    ratings: tuple[DatedRating, ...]


@dataclass(frozen=True, slots=True)
class RatingSummary:
    """Institutions and their ratings on a security as of ``known_to``; ``next_page`` is None on the last
    page."""

    institutions: tuple[InstitutionRatings, ...]
    next_page: str | None
    known_to: date


@dataclass(frozen=True, slots=True)
class AnalystConsensus:
    """What institutions thought of a security at the end of ``known_to``, by what each last said in the three
    months before.

    ``counts`` are the institutions on each level, ``rating`` the level of more than half of them, None where
    there is none. Targets are in the currency of the listing, None where none is known. ``newest`` is the day
    of the newest of these notes.
    """

    counts: Mapping[RatingLevel, int] = field(hash=False)
    rating: RatingLevel | None
    highest: float | None
    average: float | None
    lowest: float | None
    newest: date | None
    known_to: date

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class RatingChange(FiniteNumbers):
    """One row of the answer. ``last_day`` is None where no earlier note is known; targets are in the
    currency of the listing."""

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
