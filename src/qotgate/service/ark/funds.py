"""One fund: its days, one by one, and the neighbouring days on which the funds traded."""

from dataclasses import dataclass
from datetime import date

from qotgate.service.ark.dynamics import ark_day
from qotgate.service.questions import Questions
from qotgate.store import books, reads


@dataclass(frozen=True, slots=True)
class FundDay:
    """A fund's activity from ``day`` to ``through``, one day unless files are missing.

    ``source`` is the source of the trades. ``flow`` is the fund's growth by creations and redemptions in
    percent, None if unknown. ``bought`` and ``sold`` count securities; ``amount`` is purchases less sales in
    USD, None if a price is unknown.
    """

    day: date
    through: date
    source: str
    flow: float | None
    bought: int
    sold: int
    amount: float | None


def loaded_funds(questions: Questions) -> list[str]:
    """The funds with loaded data, by name."""
    with questions.store.reading() as connection:
        return sorted(books.loaded_funds(connection))


def fund_days(
    questions: Questions, fund: str, count: int, as_of: date | None = None, before: date | None = None
) -> tuple[tuple[FundDay, ...], date | None]:
    """Up to ``count`` days of ``fund`` known on ``as_of``, latest first, and the ``before`` of the next page,
    None at the end. Raises InvalidRequest."""
    of_fund = questions.varied(funds=(fund,))
    with of_fund.store.reading() as connection:
        asked = ark_day(of_fund, of_fund.trades_in(connection), as_of)
        rows = reads.funds.days(connection, fund, asked, before, count + 1)
    found = tuple(
        FundDay(
            day=row["day"],
            through=row["through"],
            source=row["source"],
            flow=None if row["flow"] is None else 100 * (row["flow"] - 1),
            bought=row["bought"],
            sold=row["sold"],
            amount=None if row["unpriced"] else row["amount"] or 0.0,
        )
        for row in rows[:count]
    )
    return found, found[-1].day if len(rows) > count else None


def days_around(questions: Questions, day: date) -> tuple[date | None, date | None]:
    """The trading days before and after ``day`` on which the funds traded, None if there is none."""
    with questions.store.reading() as connection:
        return reads.funds.trade_days_around(connection, questions.funds, day)
