"""Checks whether a holdings file contains a fund's complete book.

A book that lacks lines would look like a sale of everything missing, so incomplete books are refused: a
truncated file, or an API's answer cut by a limit. Of 7,223 real fund days the weights add up to 98 to 102 in
7,206, and never to less than 95 for an active fund.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from statistics import median
from typing import NamedTuple

from qotgate.ark.codes import is_cash
from qotgate.model import Holding, ParsedFile, Reject

LEAST, MOST = 95.0, 105.0
"""Bounds for the sum of the weights in a complete book, in percent."""
ENDINGS = (b"\n", b"\r")
NO_TEXT = (b"PK", b"PAR1", b"{", b"[", b"\xd0\xcf")
"""Starts of files that are not lines of text: truncated, they cannot be read at all."""
SAYS_NOTHING = frozenset({0.0, 1.0})
"""Weights in hand-made books; a fund with only such a line is not one of ARK's."""
WEIGHT_ERROR = 0.011
"""Rounding error of a weight, in percent."""
SEVERAL = 3
SHOWN_LOSS = 0.3
"""A complete book may lack less than this share of the fund, in percent: not all of its cash is listed."""
NEAR_SUM = 0.3
"""Relative tolerance between the missing lines and the missing weight."""
LARGER = 1.25
"""How much larger the smallest line may be in the next book."""
SHOWN_PART = 0.08
"""Additional change of a weight from one book to the next, in percent."""
PROSE = 20
"""A line with this many words is not a holding: each of 3,564 files of 2020 to 2024 ends with such a
paragraph."""
MAX_FOOTER = 10_000
"""Size in bytes; the longest has 900."""
LEAST_LINES = 0.5
"""A book without weights is incomplete if it has fewer lines than this share of the previous one."""

Weights = Mapping[str, float | None]
"""The weight of each line of a book in percent, by the line's name."""


def name_of(ticker: str, identifier: str, name: str) -> str:
    """The name of a line, the same in the files of two days."""
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
    """The end of a file: whether its last line is terminated, and whether that line is a paragraph;
    ``is_text`` tells whether the file is lines of text at all."""

    is_text: bool
    is_ended: bool
    has_footer: bool

    @classmethod
    def of(cls, content: bytes) -> "Ending":
        return cls(is_text(content), content.endswith(ENDINGS), _has_footer(content))

    def fits(self, other: "Ending") -> bool:
        """Whether the file ends like another one of its publisher: with a terminated line, and with a
        paragraph, as in everything that ARK published up to 2024."""
        if not self.is_text or not other.is_text:
            return True
        return (self.is_ended or not other.is_ended) and (self.has_footer or not other.has_footer)


def _has_footer(content: bytes) -> bool:
    return len(content[-MAX_FOOTER:].rstrip(b"\r\n\t, ").rpartition(b"\n")[2].split()) > PROSE


def breaks_off(content: bytes, parsed: ParsedFile) -> int | None:
    """The number of the line within which a holdings file ends, None if it is not truncated."""
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
    """What is wrong with a book, None if it is complete; ``neighbour`` is the fund's book next to it.

    ``ends`` tells whether its file ends like the neighbour's.
    """
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
    """Whether exactly the smallest lines of the neighbouring book are missing, and their weight too, or the
    fund's cash. One or two lines may be gone for good, and negative cash has no line."""
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
    """A file without its ``partial`` books, with a reject for each."""
    kept = tuple(
        line for line in parsed.records if isinstance(line, Holding) and (line.fund, line.day) not in partial
    )
    rejects = (*parsed.rejects, *(Reject(None, reason) for reason in partial.values()))
    return replace(parsed, records=kept, rejects=rejects)
