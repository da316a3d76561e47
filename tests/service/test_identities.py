"""Which lines belong to one security, through files, loads and answers."""

from collections.abc import Callable
from datetime import date
from itertools import permutations
from pathlib import Path

import pytest
from sqlalchemy import func, select

from qotgate import sources
from qotgate.model import Security, StoreError
from qotgate.service.ark.check import compare
from qotgate.service.ark.dynamics import ark_stock_dynamic
from qotgate.service.ark.lists import fund_holdings
from qotgate.service.coverage.provenance import contradiction_sentence, unsettled
from qotgate.service.coverage.status import status
from qotgate.service.loading import LoadReport, find_files, load
from qotgate.service.questions import Questions
from qotgate.service.reference import Reference
from qotgate.store import Store, tables

LoadText = Callable[..., LoadReport]
HEADER = "date,fund,company,ticker,cusip,shares,market value($),weight(%)"
NOTICES = "FUND,Date,Direction,Ticker,CUSIP,Name,Shares,% of ETF"


def text(*lines: str, header: str = HEADER) -> str:
    return "\n".join([header, *lines, ""])


def securities(store: Store) -> list[set[tuple[str, str]]]:
    """The tickers and identifiers of each security."""
    found: dict[int, set[tuple[str, str]]] = {}
    spelling = tables.spelling.c
    with store.reading() as connection:
        rows = connection.execute(select(spelling.security_id, spelling.ticker, spelling.identifier))
        for security_id, *spelled in rows:
            found.setdefault(security_id, set()).add(tuple(spelled))
    return sorted(found.values(), key=sorted)


SPAC = (
    '9/1/2021,ARKX,"REINVENT TECHNOLOGY-CLASS A",,G7484L106,1000000,10000000,1',
    '9/1/2021,ARKQ,"REINVENT TECHNOLOGY-CLASS A",RTP,,2000000,20000000,1',
    '9/2/2021,ARKX,"REINVENT TECHNOLOGY-CLASS A",RTP,G7484L106,1000000,10000000,1',
)


@pytest.mark.parametrize("order", list(permutations(SPAC)))
@pytest.mark.parametrize("files", [1, 3])
def test_securities_that_a_line_ties_together(
    order: tuple[str, ...], files: int, store: Store, load_text: LoadText, reference: Reference
) -> None:
    texts = [text(*order)] if files == 1 else [text(line) for line in order]
    report = load_text(**{f"f{number}": words for number, words in enumerate(texts)})
    assert (report.rejects, report.unmapped, report.contradictions) == ([], {}, [])
    assert len(securities(store)) == 1
    (row,) = fund_holdings(Questions(store, reference, funds=("ARKX", "ARKQ"))).rows
    assert (str(row.security), row.shares) == ("US.RTP", 3_000_000)


def test_a_notice_with_another_companys_cusip(
    store: Store, load_text: LoadText, reference: Reference, tmp_path: Path
) -> None:
    report = load_text(
        notices=text(
            "ARKK,2020-08-19,Sell,MCRB,81750R102,SERES THERAPEUTICS INC,75700,",
            "ARKF,2020-08-18,Buy,9923HK,81750R102,YEAHKA LTD,189200,",
            header=NOTICES,
        )
    )
    assert len(securities(store)) == 2
    questions = Questions(store, reference)
    for code, shares in (("US.MCRB", -75_700), ("HK.09923", 189_200)):
        assert ark_stock_dynamic(questions, Security.parse(code)).net_shares == shares
    (row,) = report.contradictions
    path = tmp_path / "notices.csv"
    assert contradiction_sentence(row) == (
        f"{path}, line 3: 81750R102 as 9923HK YEAHKA LTD, "
        f"but as MCRB SERES THERAPEUTICS INC in {path}, line 2."
    )
    assert status(store).contradictions == report.contradictions
    assert unsettled(store, reference).contradictions == report.contradictions


def test_a_notice_with_a_cusip_that_the_tables_give_to_another(
    store: Store, load_text: LoadText, tmp_path: Path
) -> None:
    line = "ARKK,2020-12-15,Buy,DOCU,53227R106,DOCUSIGN INC,200110,0.2"
    (row,) = load_text(n=text(line, header=NOTICES)).contradictions
    assert contradiction_sentence(row) == (
        f"{tmp_path / 'n.csv'}, line 2: 53227R106 as DOCU DOCUSIGN INC, "
        "but the tables (listings.csv) give it to another company."
    )


LIVE = {
    "tsla": "2021-08-03,ARKK,TESLA INC,TSLA,88160R101,100,70000,50",
    "roku": "2021-08-03,ARKW,ROKU INC,ROKU,77543R102,200,80000,50",
    "typo": "2021-08-03,XYZ,ROKU INC,TSLA,77543R102,1,700,1",
}


@pytest.mark.parametrize("order", list(permutations(LIVE)))
def test_a_line_that_ties_two_live_securities(
    order: tuple[str, ...], store: Store, load_text: LoadText, reference: Reference
) -> None:
    for name in order:
        load_text(**{name: text(LIVE[name])})
    assert securities(store) == [{("ROKU", "77543R102")}, {("TSLA", "77543R102"), ("TSLA", "88160R101")}]
    assert len(status(store).contradictions) == 1
    holding, security = tables.holding, tables.security
    held = select(security.c.code, func.sum(holding.c.shares)).join(holding).group_by(security.c.code)
    with store.reading() as connection:
        assert dict(connection.execute(held).all()) == {"US.TSLA": 101, "US.ROKU": 200}


def test_the_check_of_a_line_with_anothers_cusip(
    store: Store, load_text: LoadText, reference: Reference
) -> None:
    def book(day: str, paypal: int) -> str:
        return text(
            f"{day},ARKK,TESLA INC,TSLA,88160R101,2616899,1657151291.75,40",
            f"{day},ARKK,INVITAE CORP,NVTA,46185L103,17598486,891187331.04,40",
            f"{day},ARKK,PAYPAL HOLDINGS INC,PYPL,70450Y103,{paypal},{221.6 * paypal},20",
        )

    load_text(h1=book("7/15/2021", 1_390_829), h2=book("7/16/2021", 1_739_290))
    line = "ARKK,2021-07-15,Buy,PYPL,46185L103,PAYPAL HOLDINGS INC,348461,0.47"
    notices = sources.read(text(line, header=NOTICES).encode()).records
    (one,) = compare(store, reference, notices, ["ARKK"])
    assert (one.security, one.noticed, one.inferred) == ("US.PYPL", 348_461, 348_461)


def test_currencies_are_cash_however_they_are_written(
    store: Store, load_text: LoadText, reference: Reference
) -> None:
    report = load_text(
        h=text(
            "12/22/2020,ARKF,SQUARE INC - A,SQ,852234103,840447,203035186.26,99",
            "12/22/2020,ARKF,U.S. DOLLAR,,CCTUSD,2550390.06,2550390.06,0.14",
            "12/22/2020,ARKF,JAPANESE YEN,,CCTJPY,28477932.00,274684.66,0.01",
            "12/22/2020,ARKF,SOUTH AFRICAN RAND,,CCTZAR,1,1,0.01",
            "12/22/2020,ARKF,HONG KONG DOLLAR,,HKD,1,1,0.01",
            "12/22/2020,ARKF,POUND  STERLING,,1023,1,1,0.01",
        )
    )
    assert report.unmapped == {}
    assert securities(store) == [{("SQ", "852234103")}]


def test_unregistered_shares_are_the_listed_stock(
    store: Store, load_text: LoadText, reference: Reference
) -> None:
    def book(day: str, *archer: str) -> str:
        rows = (f"{day},ARKK,TESLA INC,TSLA,88160R101,3340008,768335440.32,99", *archer)
        return text(*rows)

    unregistered = "ARKK,ARCHER AVIATION INC-A UNREGISTERED SHARES,,PIPEACHRU,7125982,49668094.54,0.6"
    load_text(
        h1=book(
            "9/1/2023",
            f"9/1/2023,{unregistered}",
            "9/1/2023,ARKK,ARCHER AVIATION INC-A,ACHR,03945R102,5118460,35675666.2,0.4",
        ),
        h2=book("9/5/2023", "9/5/2023,ARKK,ARCHER AVIATION INC-A,ACHR,03945R102,12244442,85343760.74,1"),
    )
    answer = ark_stock_dynamic(Questions(store, reference), Security.parse("US.ACHR"))
    assert (answer.transaction_count, answer.net_shares) == (0, 0)


def test_a_load_that_cannot_be_written_names_the_file(
    store: Store, load_text: LoadText, tmp_path: Path
) -> None:
    if store.engine.dialect.name != "sqlite":
        pytest.skip("the trigger is SQLite's")
    with store.writing() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER no BEFORE INSERT ON notice WHEN NEW.name = 'BAD' "
            "BEGIN SELECT RAISE(ABORT, 'no such luck'); END"
        )
    good = text("ARKK,2021-08-03,Buy,TSLA,88160R101,TESLA INC,100,0.1", header=NOTICES)
    bad = text("ARKK,2021-08-03,Buy,BAD,,BAD,100,0.1", header=NOTICES)
    with pytest.raises(StoreError) as refused:
        load_text(a_good=good, b_bad=bad)
    sentence = "The database cannot be written: no such luck. The load was at "
    assert str(refused.value) == f"{sentence}{tmp_path / 'b_bad.csv'}."
    assert load_text(a_good=good).added == {"notices": 1}


def test_the_mailed_notices_with_wrong_cusips(store: Store, reference: Reference, shared_data: Path) -> None:
    """The notice of 2020-12-15 has another company's CUSIP in 16 lines."""
    folder = shared_data / "ark-2020" / "trades"
    report = load(store, reference, find_files([folder]))
    wrong = [row for row in report.contradictions if "2020-12-15" in row["path"]]
    assert len(wrong) == len(report.contradictions) == 16
    questions = Questions(store, reference)
    assert ark_stock_dynamic(questions, Security.parse("US.TCEHY"), date(2020, 12, 15)) != (
        ark_stock_dynamic(questions, Security.parse("US.ZM"), date(2020, 12, 15))
    )
