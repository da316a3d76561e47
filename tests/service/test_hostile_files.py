"""One line of one file affects no other line."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from qotgate.model import QotGateError
from qotgate.service.ark.lists import active_transactions, fund_holdings
from qotgate.service.loading import LoadReport
from qotgate.service.loading.writing import last_day
from qotgate.service.questions import Questions
from qotgate.service.reference import Reference
from qotgate.store import Store

HEADER = "date,fund,company,ticker,cusip,shares,market value($),weight(%)\n"
BOOK = "2021-08-03,ARKK,TESLA INC,TSLA,88160R101,1000,700000,99\n"
TWO_BOOKS = HEADER + BOOK + BOOK.replace("08-03", "08-04")


def test_a_day_that_is_to_come_is_no_day(
    load_text: Callable[..., LoadReport], store: Store, reference: Reference
) -> None:
    report = load_text(
        future=TWO_BOOKS + BOOK.replace("2021", "2062"),
        notes="ticker,firm,rating,price_target,date\nTSLA,A,Buy,10,2021-06-01\nTSLA,A,Hold,10,2062-06-01\n",
        notices="FUND,Date,Direction,Ticker,CUSIP,Company,Shares\n"
        "ARKK,2062-01-03,Buy,TSLA,88160R101,TESLA,5\n",
    )
    reasons = [reason for _, _, reason in report.rejects]
    assert [reason.partition(",")[2] for reason in reasons] == [
        " 2062-08-03, is more than 5 trading days ahead",
        " 2062-06-01, is more than 5 trading days ahead",
        " 2062-01-03, is more than 5 trading days ahead",
    ]
    assert fund_holdings(Questions(store, reference), count=1).rows[0].shares == 1000


def test_the_last_day_is_five_trading_days_ahead() -> None:
    # Thanksgiving is on Thursday.
    assert last_day(datetime(2026, 11, 20, 23, tzinfo=UTC)) == date(2026, 11, 30)
    with pytest.raises(QotGateError, match="clock of this machine says 2001-01-01"):
        last_day(datetime(2001, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("count", ["5e-324", "1e-300", "-1e-7", "0.0000009", "1e300", "1e15", "nan"])
@pytest.mark.parametrize("column", ["shares", "market value($)", "weight(%)"])
@pytest.mark.slow
def test_no_number_ends_a_load(
    load_text: Callable[..., LoadReport], store: Store, reference: Reference, count: str, column: str
) -> None:
    place = HEADER.strip().split(",").index(column)
    cells = BOOK.strip().replace("TSLA,88160R101", "ROKU,77543R102").split(",")
    cells[place] = count
    strange = ",".join(cells) + "\n"
    days = ("2021-08-03", "2021-08-04", "2021-08-05")
    text = HEADER + "".join((BOOK + strange).replace("2021-08-03", day) for day in days)
    report = load_text(strange=text)
    assert report.read == 1
    assert len(report.rejects) in (0, 3)
    questions = Questions(store, reference)
    answers = [fund_holdings(questions), active_transactions(questions)]
    for answer in answers:
        assert "inf" not in repr(answer)
        assert "nan" not in repr(answer)


def test_a_name_of_any_length_is_cut(
    load_text: Callable[..., LoadReport], store: Store, reference: Reference
) -> None:
    load_text(long=TWO_BOOKS.replace("TESLA INC", "T" * 20_000))
    assert len(fund_holdings(Questions(store, reference)).rows[0].name) <= 500
