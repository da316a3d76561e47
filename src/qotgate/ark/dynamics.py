"""The dynamic of a stock: the funds' latest transactions in it, in sum.

The rules are the project's own; the reference documents give only names and examples.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from functools import lru_cache

from qotgate.model import ArkDynamic, DynamicType, UntoldDays

WINDOW_DAYS = 30
MAX_WINDOWS = 1024
"""Windows whose first day is cached: each answer needs it several times."""
SAME_SPLIT = timedelta(days=14)
"""Splits with one ratio in several funds' files within this time are one split."""


@dataclass(frozen=True, slots=True)
class Split:
    """From ``day`` on, ``ratio`` shares replace each earlier one, as a fund's files show it."""

    day: date
    ratio: Fraction


def splits_of(fund: str, seen: Mapping[str, Sequence[Split]]) -> list[Split]:
    """The splits that apply to a fund's trades in a security, from the splits ``seen`` by each fund.

    They are the fund's own, and other funds' splits that it did not see, for example because it had sold out
    before. All funds book a split within a few days, or at the start of a gap in their files.
    """
    found = list(seen.get(fund, ()))
    others = {split for name, splits in seen.items() if name != fund for split in splits}
    for split in sorted(others, key=lambda split: split.day, reverse=True):
        if not any(
            split.ratio == known.ratio and abs(split.day - known.day) <= SAME_SPLIT for known in found
        ):
            found.append(split)
    return found


def units(splits: Iterable[Split], day: date, as_of: date) -> Fraction | int:
    """Share units: how many shares of ``as_of`` equal one share traded on ``day``."""
    ratio: Fraction | int = 1
    for split in splits:
        if day < split.day <= as_of:
            ratio *= split.ratio
    return ratio


def daily_sums(
    trades: Iterable[tuple[str, date, int]], seen: Mapping[str, Sequence[Split]], as_of: date
) -> list[tuple[date, int]]:
    """The signed shares of each day in the share units of ``as_of``, oldest first, without days whose sum is
    0. ``trades`` are (fund, day, shares) in the units of their day, up to ``as_of``; ``seen`` are the splits
    in each fund's files."""
    if not seen:
        whole: dict[date, int] = {}
        for _, day, shares in trades:
            whole[day] = whole.get(day, 0) + shares
        return sorted((day, total) for day, total in whole.items() if total)
    sums: dict[date, Fraction | int] = {}
    splits: dict[str, list[Split]] = {}
    for fund, day, shares in trades:
        if fund not in splits:
            splits[fund] = splits_of(fund, seen)
        sums[day] = sums.get(day, 0) + (shares * units(splits[fund], day, as_of) if splits[fund] else shares)
    rounded = ((day, round(total)) for day, total in sorted(sums.items()))
    return [(day, total) for day, total in rounded if total]


def dynamic(
    sums: Sequence[tuple[date, int]],
    as_of: date,
    window_days: int = WINDOW_DAYS,
    untold: tuple[UntoldDays, ...] = (),
) -> ArkDynamic:
    """The dynamic of the ``window_days`` calendar days that end on ``as_of``; ``untold`` are those of them
    with unknown trades.

    ``sums`` is the result of :func:`daily_sums`: the transaction days up to ``as_of``, oldest first.
    """
    if not sums:
        return ArkDynamic(DynamicType.NO_DYNAMIC, 0, 0, None, untold=untold, known_to=as_of)
    last_day, last_sum = sums[-1]
    start = window_start(as_of, window_days)
    recent = [total for day, total in sums if day >= start]
    if not recent:
        kind, counted = DynamicType.LAST_TRANSACTION, [last_sum]
    else:
        run = 1
        while run < len(recent) and (recent[-run - 1] > 0) == (last_sum > 0):
            run += 1
        if run > 1:
            kind, counted = DynamicType.CONSECUTIVE_SAME_DIRECTION, recent[-run:]
        else:
            kind, counted = DynamicType.RECENT_TRANSACTION, recent
    return ArkDynamic(kind, len(counted), sum(counted), last_day, untold=untold, known_to=as_of)


@lru_cache(maxsize=MAX_WINDOWS)
def window_start(as_of: date, window_days: int) -> date:
    """The first day of the window of calendar days that ends with ``as_of``."""
    return date.fromordinal(max(as_of.toordinal() - (window_days - 1), 1))
