"""What was found by looking at one thing, and how to mend it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from qotgate.model import QotGateError


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """``check`` is what was looked at, ``found`` a sentence; ``mend`` says what to do about it."""

    check: str
    level: Level
    found: str
    mend: str = ""


def ok(check: str, found: str) -> Finding:
    return Finding(check, Level.OK, found)


def warn(check: str, found: str, mend: str) -> Finding:
    return Finding(check, Level.WARN, found, mend)


def fail(check: str, found: str, mend: str) -> Finding:
    return Finding(check, Level.FAIL, found, mend)


def looked(check: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """The findings of ``look``; where it cannot look, that is one."""
    try:
        yield from look()
    except QotGateError as error:
        yield fail(check, str(error), "Mend that first: what depends on it was not looked at.")
