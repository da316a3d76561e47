"""Whether a holdings file has all of a fund's book.

A book that lacks lines would look like a sale of all that is missing, so an incomplete book is refused: a
file that breaks off, or the answer of an API that was cut by a limit. Of 7,223 real fund days the weights add
up to 98 to 102 in 7,206, and never to less than 95 for an active fund."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from statistics import median
from typing import NamedTuple

from qotgate.ark.codes import is_cash
from qotgate.model import Holding, ParsedFile, Reject

LEAST, MOST = 95.0, 105.0
"""What the weights of a whole book add up to, in percent."""
ENDINGS = (b"\n", b"\r")
NO_TEXT = (b"PK", b"PAR1", b"{", b"[", b"\xd0\xcf")
"""How files begin that are no lines of text: cut, they cannot be read at all."""
SAYS_NOTHING = frozenset({0.0, 1.0})
"""Weights of books that were made by hand; a fund that holds only such a line is none of ARK's."""
WEIGHT_ERROR = 0.011
"""How far a weight is rounded, in percent."""
SEVERAL = 3
SHOWN_LOSS = 0.3
"""A smaller part of the fund, in percent, may be missing in a whole book: not all of its cash is listed."""
NEAR_SUM = 0.3
"""How far what is missing may be from what the weights lack, as a part of it."""
LARGER = 1.25
"""How much larger the smallest line of a book may be in the next one."""
SHOWN_PART = 0.08
"""What a weight may change by from a book to the next beside that, in percent."""
PROSE = 20
"""So many words in a line are no holding: each of 3,564 files of 2020 to 2024 ends in such a paragraph."""
MAX_FOOTER = 10_000
"""Bytes; the longest has 900."""
LEAST_LINES = 0.5
"""A book without weights that has fewer lines than this part of the one before lacks some."""

Weights = Mapping[str, float | None]
"""The weight of each line of a book in percent, by what the line names."""


def name_of(ticker: str, identifier: str, name: str) -> str:
    """What a line names, the same in the files of two days."""
    return identifier or ticker or name


def weights(rows: Iterable[tuple[str, str, str, float | None]]) -> Weights:
    """The weights of a book's lines (ticker, identifier, name, weight)."""
    found: dict[str, float | None] = {}
    for ticker, identifier, name, weight in rows:
        found[name_of(ticker, identifier, name)] = weight
    return found


def is_text(content: bytes) -> bool:
    """Whether a file is lines of text."""
    return not content.lstrip().startswith(NO_TEXT)


class Ending(NamedTuple):
    """How a file ends: whether its last line is ended, and whether that is a paragraph; ``is_text`` whether
    it is lines of text at all."""

    is_text: bool
    is_ended: bool
    has_footer: bool

    @classmethod
    def of(cls, content: bytes) -> "Ending":
        return cls(is_text(content), content.endswith(ENDINGS), _has_footer(content))

    def fits(self, other: "Ending") -> bool:
        """Whether the file ends as another of its publisher does: in an ended line, and in a paragraph, as
        all that ARK published up to 2024."""
        if not self.is_text or not other.is_text:
            return True
        return (self.is_ended or not other.is_ended) and (self.has_footer or not other.has_footer)


def _has_footer(content: bytes) -> bool:
    return len(content[-MAX_FOOTER:].rstrip(b"\r\n\t, ").rpartition(b"\n")[2].split()) > PROSE


def breaks_off(content: bytes, parsed: ParsedFile) -> int | None:
    """The line in the middle of which a file of holdings ends, None where it does not."""
    if content.endswith(ENDINGS) or not is_text(content) or not parsed.records:
        return None
    last = parsed.records[-1]
    if not isinstance(last, Holding):
        return None
    for reject in parsed.rejects:
        if reject.line is not None and reject.line > last.line:
            return reject.line
    lines = [
        line for line in parsed.records if isinstance(line, Holding) and line.weight and line.market_value
    ]
    if last.weight is None or last.market_value is None:
        return last.line if lines else None
    totals = [line.market_value / line.weight for line in lines if line.market_value and line.weight]
    if not totals:
        return None
    expected = last.market_value / median(totals)
    off = abs(expected - last.weight) > max(5 * WEIGHT_ERROR, NEAR_SUM * expected)
    return last.line if off else None


def lacks(
    lines: Sequence[Holding], neighbour: tuple[date, Weights] | None, ends: Callable[[], bool]
) -> str | None:
    """What is wrong with a book, None where it is whole; ``neighbour`` is the fund's book next to it.

    ``ends`` says whether its file ends as that of the neighbour does."""
    known = [line.weight for line in lines if line.weight is not None]
    if len(known) == len(lines):
        total = sum(known)
        if set(known) <= SAYS_NOTHING:
            return None
        if not LEAST <= total <= MOST:
            return f"its weights add up to {total:.1f}%, not to about 100%"
        return _lacks_the_end(lines, 100 - total, neighbour, ends) if neighbour else None
    if neighbour and len(lines) < LEAST_LINES * len(neighbour[1]):
        return f"it has {len(lines)} lines, the book of {neighbour[0]} has {len(neighbour[1])}"
    return None


def _lacks_the_end(
    lines: Collection[Holding], short: float, neighbour: tuple[date, Weights], ends: Callable[[], bool]
) -> str | None:
    """Whether just the smallest lines of the neighbouring book are missing, and with them their weight, or
    the fund's cash. One or two lines may be gone for good, and cash that is below zero has none."""
    day, weights = neighbour
    here = {name_of(line.ticker, line.identifier, line.name) for line in lines}
    missing = {name: weight or 0.0 for name, weight in weights.items() if name not in here}
    smallest = min(line.weight or 0.0 for line in lines)
    if not missing:
        return None
    if not ends():
        lines_of = "1 line" if len(missing) == 1 else f"{len(missing)} lines"
        return f"it lacks {lines_of} of the book of {day}, and the end that its file has"
    if max(missing.values()) > LARGER * smallest + SHOWN_PART:
        return None
    lost = sum(missing.values())
    several = len(missing) >= SEVERAL
    weighs = several and lost >= SHOWN_LOSS and abs(short - lost) <= NEAR_SUM * lost
    no_cash = several and any(is_cash("", name) for name in missing)
    no_cash = no_cash and not any(is_cash(line.ticker, line.identifier) for line in lines)
    if weighs or no_cash:
        return f"the last {len(missing)} lines of the book of {day} are missing, {lost:.2f}% of the fund"
    return None


def without(parsed: ParsedFile, partial: Mapping[tuple[str, date], str]) -> ParsedFile:
    """A file without its ``partial`` books, each with what is wrong with it."""
    kept = tuple(
        line for line in parsed.records if isinstance(line, Holding) and (line.fund, line.day) not in partial
    )
    rejects = (*parsed.rejects, *(Reject(None, reason) for reason in partial.values()))
    return replace(parsed, records=kept, rejects=rejects)
