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
    """Whether the day or the month comes first in numeric dates that end with the year."""

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
    """A skipped line, and the reason. ``line`` counts from 1; None means the whole file."""

    line: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """The records of one file, all of one kind, in the order of the file, and the skipped lines."""

    kind: FileKind
    records: tuple[Holding, ...] | tuple[Notice, ...] | tuple[Note, ...]
    rejects: tuple[Reject, ...]
    named: bool = False
    """Whether reading needed the file's name."""
    dates: DayOrder | None = None
    """The order of days given by the user, if reading needed it."""
