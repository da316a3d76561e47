"""The typed clients' common code for research tables: parameters as text, and familiar table formats."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, TypeAlias

from qotgate.model import ArkDynamic, DynamicType, Security, StockDynamic, UntoldDays
from qotgate.model.research import DynamicOfDay, RatingNote

if TYPE_CHECKING:
    import pandas as pd

Codes: TypeAlias = Iterable[Security | str] | Security | str
Day: TypeAlias = date | str
Texts: TypeAlias = Iterable[str] | str
ALL_CHANGES = "ALL"
"""All kinds of rating changes."""
MANY = 20
"""More stocks than this go into one question, if the gateway supports it."""
UPGRADE_COLUMNS = (
    "Firm",
    "ToGrade",
    "FromGrade",
    "Action",
    "priceTargetAction",
    "currentPriceTarget",
    "priorPriceTarget",
)


def given(**parameters: Any) -> dict[str, list[str]]:
    """Parameters as text, without those that are None. A single text or day counts as a list of one."""
    return {name: _texts(value) for name, value in parameters.items() if value is not None}


def _texts(value: Any) -> list[str]:
    if isinstance(value, (str, date, int, Security)):
        value = (value,)
    # Only the day of a datetime counts.
    return [one.strftime("%Y-%m-%d") if isinstance(one, date) else str(one) for one in value]


def is_panel(codes: Any, as_of: Any) -> bool:
    """Whether a question for dynamics covers several days, or stocks that only the gateway can list."""
    return isinstance(codes, str) or not (as_of is None or isinstance(as_of, (date, str)))


def as_asked(rows: Sequence[DynamicOfDay], codes: Sequence[str], *, named: bool) -> list[StockDynamic]:
    """The dynamics of one day in the order of ``codes``, as separate questions would give them; ``named``
    says whether the caller named a day."""
    found = {row.security: row for row in rows}
    return [_dynamic(found[code], named=named) for code in codes]


def _dynamic(row: DynamicOfDay, *, named: bool) -> StockDynamic:
    answer = ArkDynamic(
        DynamicType(row.dynamic_type), row.transaction_count, row.net_shares, row.last_transaction_day
    )
    untold = []
    for part in row.untold.split("; ") if row.untold else ():
        fund, first, last, why = part.split(" ")
        untold.append(UntoldDays(fund, date.fromisoformat(first), date.fromisoformat(last), why))
    return StockDynamic(
        answer.dynamic_type,
        answer.transaction_count,
        answer.net_shares,
        answer.last_transaction_day,
        Security.parse(row.security),
        untold=tuple(untold),
        known_to=row.known_to if named else None,
    )


def upgrades_downgrades(notes: Iterable[RatingNote], start: Day | None, end: Day | None) -> "pd.DataFrame":
    """All notes on a stock, oldest first, in the format of yfinance's ``Ticker.upgrades_downgrades``: indexed
    by ``GradeDate``, the latest first. Raises ImportError without pandas.

    ``Action`` is init, up, down, main (a change of the target alone) or reit; ``priceTargetAction`` is
    Raises, Lowers, Maintains or Announces, empty without a target. A missing target is NaN, where yfinance
    has 0.
    """
    import pandas as pd

    previous: dict[str, RatingNote] = {}
    rows = []
    for note in notes:
        before = previous.get(note.institution)
        rows.append((note.day, *_upgrade(note, before)))
        # If a day has several notes, the next day's notes are compared with the first.
        if before is None or before.day < note.day:
            previous[note.institution] = note
    table = pd.DataFrame(rows[::-1], columns=["GradeDate", *UPGRADE_COLUMNS])
    table["GradeDate"] = pd.to_datetime(table["GradeDate"]).astype("datetime64[s]")
    prices = ["currentPriceTarget", "priorPriceTarget"]
    table[prices] = table[prices].astype("float64")
    within = table["GradeDate"].between(
        pd.Timestamp.min if start is None else pd.Timestamp(start),
        pd.Timestamp.max if end is None else pd.Timestamp(end),
    )
    return table[within].set_index("GradeDate")


def _upgrade(note: RatingNote, before: RatingNote | None) -> tuple[Any, ...]:
    if note.change_type is None:
        action = "reit"
    elif note.change_type == "NEW_RATING":
        action = "init"
    elif note.grade is not None and note.grade == note.last_grade:
        action = "main"
    else:
        action = "up" if note.change_type == "UPGRADE" else "down"
    word = note.prior_word or (before.word if before else "") or (note.last_rating or "").title()
    target, prior = note.target_price, note.last_target_price
    if prior is None:
        prior = before.target_price if before else note.prior_target
    if target is None:
        moved = ""
    elif prior is None:
        moved = "Announces"
    else:
        moved = "Raises" if target > prior else "Lowers" if target < prior else "Maintains"
    return note.firm, note.word, word, action, moved, target, prior
