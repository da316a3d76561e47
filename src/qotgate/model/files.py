"""The result of reading a file."""

from dataclasses import dataclass
from enum import StrEnum

from qotgate.model.ark import Holding, Notice
from qotgate.model.ratings import Note


class FileKind(StrEnum):
    """The kinds of file that can be loaded."""

    HOLDINGS = "holdings"
    NOTICES = "notices"
    NOTES = "notes"


class DayOrder(StrEnum):
    """What comes first where a day is written in numbers and its year last."""

    DMY = "dmy"
    MDY = "mdy"


class LoadOutcome(StrEnum):
    """The outcome of a load."""

    LOADED = "LOADED"
    NOTHING_NEW = "NOTHING_NEW"
    UNREADABLE = "UNREADABLE"
    UNLOADED = "UNLOADED"


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that was left out, and why. ``line`` counts from 1; None means the whole file."""

    line: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """The records of one file, all of one kind, in the order of the file, and the lines left out."""

    kind: FileKind
    records: tuple[Holding, ...] | tuple[Notice, ...] | tuple[Note, ...]
    rejects: tuple[Reject, ...]
    named: bool = False
    """Whether it took the name of the file to read it."""
    dates: DayOrder | None = None
    """The order of days that the user said, where it took that to read it."""
