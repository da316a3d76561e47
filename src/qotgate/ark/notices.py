"""Combines the lines of trade notices into trades."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from qotgate.model import Notice

NoticeKey = tuple[str, date, str, int, int]
"""Fund, day, identifier or ticker, signed shares, and the position among equal lines of its file."""


def notice_keys(lines: Iterable[Notice]) -> Iterator[tuple[NoticeKey, Notice]]:
    """The lines of one file, each with the key that identifies the same trade in another file: its content,
    and its position among equal lines of its file."""
    seen: Counter[tuple[str, date, str, int]] = Counter()
    for line in lines:
        content = (line.fund, line.day, line.identifier or line.ticker, line.shares)
        seen[content] += 1
        yield (*content, seen[content]), line


def merge(files: Iterable[Sequence[Notice]]) -> list[Notice]:
    """Merge the notices of several files: a repeated line in one file is two trades, in two files it is
    one."""
    merged: dict[NoticeKey, Notice] = {}
    for lines in files:
        merged |= dict(notice_keys(lines))
    return list(merged.values())
