"""Decides which lines of trade notices are one trade."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from qotgate.model import Notice

NoticeKey = tuple[str, date, str, int, int]
"""Fund, day, identifier or ticker, signed shares, and which of several such lines of its file it is."""


def notice_keys(lines: Iterable[Notice]) -> Iterator[tuple[NoticeKey, Notice]]:
    """The lines of one file, each with what makes it the same trade as a line of another file: its content,
    and which of several such lines in its file it is."""
    seen: Counter[tuple[str, date, str, int]] = Counter()
    for line in lines:
        content = (line.fund, line.day, line.identifier or line.ticker, line.shares)
        seen[content] += 1
        yield (*content, seen[content]), line


def merge(files: Iterable[Sequence[Notice]]) -> list[Notice]:
    """The notices of several files: a line twice in one file is two trades, in two files it is one."""
    merged: dict[NoticeKey, Notice] = {}
    for lines in files:
        merged |= dict(notice_keys(lines))
    return list(merged.values())
