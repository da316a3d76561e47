"""The shipped tables: their shape, no two rows for one word, and the published data resolves through them."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

HEADERS = {
    "grades": ["word", "grade"],
    "institutions": ["name", "name_zh", "spellings"],
    "securities": ["code", "name", "name_zh"],
    "listings": ["identifier", "code", "name"],
}
GRADES = ["strong_buy", "buy", "hold", "sell", "strong_sell"]
MARKETS = ("AU", "CA", "HK", "JP", "MY", "SG", "SH", "SZ", "US")
CODE = re.compile(rf"(HK\.\d{{5}}|JP\.[0-9A-Z]{{4}}|({'|'.join(MARKETS)})\.[A-Z0-9]+(\.[A-Z])?)")
SEDOL = re.compile(r"[0-9B-DF-HJ-NP-TV-Z]{6}\d")
CUSIP = re.compile(r"[0-9A-Z]{8}\d")
CINS = re.compile(r"[A-Z][0-9A-Z]{7}\d")
CUSTODIANS = {"BREADUMMY", "MM0051EWE", "MM005473T", "PIPEACHRU", "PPOPENAIC"}
"""The custodian's own numbers, without a check digit."""
CJK = re.compile(r"[\u3400-\u9fff]")


def lines(table: str) -> list[list[str]]:
    text = (files("qotgate") / "tables" / f"{table}.csv").read_text(encoding="utf-8")
    return list(csv.reader(line for line in text.splitlines() if not line.startswith("#")))


def rows(table: str) -> list[dict[str, str]]:
    return [dict(zip(HEADERS[table], line, strict=True)) for line in lines(table)[1:]]


def normalised(word: str) -> str:
    """The matching rule of the tables: case, punctuation and blanks do not count."""
    return "".join(letter for letter in word.casefold() if letter.isalnum())


def repeated(keys: list[str]) -> list[str]:
    return [key for key, count in Counter(keys).items() if count > 1]


def spellings(row: dict[str, str]) -> list[str]:
    """Every way a feed may write the institution; the Chinese name counts as one."""
    return [word for word in (row["name"], row["name_zh"], *row["spellings"].split("|")) if word]


def sedol_holds(identifier: str) -> bool:
    weights = (1, 3, 1, 7, 3, 9, 1)
    return sum(int(c, 36) * weight for c, weight in zip(identifier, weights, strict=True)) % 10 == 0


def cusip_holds(identifier: str) -> bool:
    values = [int(c, 36) * (1 + place % 2) for place, c in enumerate(identifier[:8])]
    return (10 - sum(value // 10 + value % 10 for value in values) % 10) % 10 == int(identifier[8])


@pytest.mark.parametrize("table", HEADERS)
def test_file_is_plain_csv(table: str) -> None:
    raw = (files("qotgate") / "tables" / f"{table}.csv").read_bytes()
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in raw
    assert raw.endswith(b"\n")
    assert lines(table)[0] == HEADERS[table]
    assert {len(line) for line in lines(table)} == {len(HEADERS[table])}
    assert all(field == field.strip() for line in lines(table) for field in line)


@pytest.mark.parametrize(
    ("table", "key"),
    [("institutions", "name"), ("securities", "code"), ("listings", "identifier")],
)
def test_rows_are_sorted_by_key(table: str, key: str) -> None:
    keys = [row[key].casefold() for row in rows(table)]
    assert keys == sorted(keys)


def test_grades_are_known_and_run_from_best_to_worst() -> None:
    grades = [row["grade"] for row in rows("grades")]
    assert len(grades) >= 150
    assert set(grades) == set(GRADES)
    assert grades == sorted(grades, key=GRADES.index)


def test_no_two_rating_words_match_alike() -> None:
    words = [normalised(row["word"]) for row in rows("grades")]
    assert all(words)
    assert repeated(words) == []


@pytest.mark.parametrize(
    ("word", "grade"),
    [
        ("Conviction Buy", "strong_buy"),
        ("top pick", "strong_buy"),
        ("强烈推荐", "strong_buy"),
        ("OUTPERFORM", "buy"),
        ("Over-weight", "buy"),
        ("Accumulate", "buy"),
        ("增持", "buy"),
        ("EqualWeight", "hold"),
        ("Market-Perform", "hold"),
        ("in line", "hold"),
        ("中性", "hold"),
        ("Reduce", "sell"),
        ("underperform", "sell"),
        ("减持", "sell"),
        ("strong sell", "strong_sell"),
    ],
)
def test_rating_word_has_its_grade(word: str, grade: str) -> None:
    known = {normalised(row["word"]): row["grade"] for row in rows("grades")}
    assert known[normalised(word)] == grade


@pytest.mark.parametrize(
    "word",
    [
        "Suspended",
        "Not Rated",
        "NR",
        "Coverage Dropped",
        "Under Review",
        "Speculative",
        "Restricted",
        "Tender",
        "Developing",
        "No Rating",
        "Not Covered",
        "暂无评级",
        "未评级",
    ],
)
def test_word_without_a_rating_is_unknown(word: str) -> None:
    assert normalised(word) not in {normalised(row["word"]) for row in rows("grades")}


def test_only_words_of_conviction_are_extremes() -> None:
    strong = re.compile(
        r"strong|conviction|top pick|focus list|action list|强|強|确信|首选|fort$", re.IGNORECASE
    )
    extremes = [row["word"] for row in rows("grades") if row["grade"].startswith("strong")]
    assert [word for word in extremes if not strong.search(word)] == []


def test_no_two_institutions_answer_to_one_spelling() -> None:
    keys = [normalised(word) for row in rows("institutions") for word in spellings(row)]
    assert all(keys)
    assert repeated(keys) == []


def test_institutions_have_chinese_names() -> None:
    chinese = [row["name_zh"] for row in rows("institutions") if row["name_zh"]]
    assert len(chinese) >= 70
    assert all(CJK.search(name) for name in chinese)


@pytest.mark.parametrize(
    ("spelling", "name", "name_zh"),
    [
        ("B of A Securities", "BofA Securities", "美银证券"),
        ("Merrill Lynch", "BofA Securities", "美银证券"),
        ("Sanford C. Bernstein", "Bernstein", "联博集团"),
        ("MORGAN STANLEY", "Morgan Stanley", "摩根士丹利"),
        ("J.P. Morgan", "JP Morgan", "摩根大通"),
        ("Needham & Company", "Needham", ""),
        ("Canaccord Adams", "Canaccord Genuity", "加通贝祥"),
        ("道明考恩", "TD Cowen", ""),
        ("大摩", "Morgan Stanley", "摩根士丹利"),
        ("小摩", "JP Morgan", "摩根大通"),
        ("Cowen & Co.", "TD Cowen", ""),
        ("SVB Leerink", "Leerink Partners", ""),
        ("SunTrust Robinson Humphrey", "Truist Securities", "Truist证券"),
    ],
)
def test_institution_resolves(spelling: str, name: str, name_zh: str) -> None:
    found = [row for row in rows("institutions") if normalised(spelling) in map(normalised, spellings(row))]
    assert [(row["name"], row["name_zh"]) for row in found] == [(name, name_zh)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Credit Suisse", "UBS"),
        ("MKM Partners", "Roth MKM"),
        ("TD Cowen", "TD Securities"),
        ("ISI Group", "Evercore ISI"),
        ("Pacific Crest", "KeyBanc"),
        ("FBR Capital", "B. Riley"),
        ("Atlantic Equities", "Redburn Atlantic"),
        ("Bernstein", "Societe Generale"),
    ],
)
def test_houses_with_their_own_notes_stay_apart(one: str, other: str) -> None:
    named = {normalised(word): row["name"] for row in rows("institutions") for word in spellings(row)}
    assert named[normalised(one)] != named[normalised(other)]


def test_securities_codes() -> None:
    codes = [row["code"] for row in rows("securities")]
    assert repeated(codes) == []
    assert [code for code in codes if not CODE.fullmatch(code)] == []
    assert [row["code"] for row in rows("securities") if not row["name"]] == []
    american = [row for row in rows("securities") if row["code"].startswith("US.")]
    assert len(american) >= 350
    assert sum(bool(row["name_zh"]) for row in american) >= 330
    assert sum(code.startswith("CA.") for code in codes) >= 25


@pytest.mark.parametrize(
    ("code", "name_zh"),
    [
        ("US.MU", "美光科技"),
        ("US.INTC", "英特尔"),
        ("US.NUE", "纽柯钢铁"),
        ("US.TSLA", "特斯拉"),
        ("HK.09923", "移卡"),
    ],
)
def test_security_has_its_chinese_name(code: str, name_zh: str) -> None:
    assert {row["code"]: row["name_zh"] for row in rows("securities")}[code] == name_zh


def test_listings_identifiers_carry_their_check_digit() -> None:
    identifiers = [row["identifier"] for row in rows("listings")]
    assert repeated(identifiers) == []
    for identifier in identifiers:
        if identifier in CUSTODIANS:
            continue
        if len(identifier) == 7:
            assert SEDOL.fullmatch(identifier)
            assert sedol_holds(identifier), identifier
        else:
            assert CUSIP.fullmatch(identifier)
            assert cusip_holds(identifier), identifier


def test_listings_codes_are_named_alike_in_securities() -> None:
    named = {row["code"]: row["name"] for row in rows("securities")}
    for row in rows("listings"):
        assert row["name"], row
        assert not row["code"] or named.get(row["code"]) == row["name"], row


@pytest.mark.parametrize(
    ("identifier", "code"),
    [
        ("BL58D39", "HK.09923"), ("G9835C108", "HK.09923"), ("6084848", "JP.4689"), ("J9894K105", "JP.4689"),
        ("BGHVW01", "CA.LSPD"), ("53227R106", "CA.LSPD"), ("B43JTF9", "CA.PYR"), ("B3Z5T14", "US.GRMN"),
        ("M3760D101", "US.ESLT"), ("6308913", ""), ("BN7JJ92", ""), ("87238U203", ""), ("48581R205", ""),
    ],
)  # fmt: skip
def test_listing_has_its_code(identifier: str, code: str) -> None:
    assert {row["identifier"]: row["code"] for row in rows("listings")}[identifier] == code


def published_notes(shared_data: Path) -> list[dict[str, str]]:
    with (shared_data / "ratings" / "us_large_caps.csv").open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def held(shared_data: Path) -> Iterator[tuple[str, str]]:
    """Ticker and identifier of every published holdings row."""
    paths = list((shared_data / "ark" / "holdings").glob("*/*.csv"))
    assert paths
    for path in paths:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            for line in csv.reader(stream):
                if len(line) >= 5 and line[0] != "date":
                    yield line[3].strip(), line[4].strip()


def noticed(shared_data: Path) -> Iterator[tuple[str, str]]:
    """Ticker and identifier of every published trade notice."""
    paths = list((shared_data / "ark" / "trades").glob("*/*.xls*"))
    assert paths
    for path in paths:
        columns: list[str] = []
        for line in CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python():
            cells = [str(cell).strip() for cell in line]
            if "CUSIP" in map(str.upper, cells):
                columns = [cell.upper() for cell in cells]
            elif columns and any(cells):
                yield cells[columns.index("TICKER")], cells[columns.index("CUSIP")]


def test_every_published_firm_resolves_to_one_house(shared_data: Path) -> None:
    houses = Counter(normalised(word) for row in rows("institutions") for word in spellings(row))
    firms = {note["firm"] for note in published_notes(shared_data)}
    assert len(firms) == 194
    assert sorted(firm for firm in firms if houses[normalised(firm)] != 1) == []


def test_every_published_rating_has_a_grade(shared_data: Path) -> None:
    known = {normalised(row["word"]) for row in rows("grades")}
    ratings = {note["rating"] for note in published_notes(shared_data)}
    assert {rating for rating in ratings if normalised(rating) not in known} == set()


def test_every_published_ticker_has_a_name(shared_data: Path) -> None:
    codes = {row["code"] for row in rows("securities")}
    rated = {note["ticker"] for note in published_notes(shared_data)}
    assert {ticker for ticker in rated if f"US.{ticker}" not in codes} == set()


def test_every_foreign_identifier_held_is_listed(shared_data: Path) -> None:
    known = {row["identifier"] for row in rows("listings")}
    foreign = {
        (ticker, identifier)
        for ticker, identifier in held(shared_data)
        if ticker and (len(identifier) == 7 or CINS.fullmatch(identifier))
    }
    assert len(foreign) > 100
    assert {pair for pair in foreign if pair[1] not in known} == set()


def test_every_foreign_identifier_noticed_is_listed(shared_data: Path) -> None:
    known = {row["identifier"] for row in rows("listings")}
    foreign = {pair for pair in noticed(shared_data) if len(pair[1]) == 7 or CINS.fullmatch(pair[1])}
    assert len(foreign) > 20
    assert {pair for pair in foreign if pair[1] not in known} == set()


def test_every_held_american_ticker_has_a_name(shared_data: Path) -> None:
    codes = {row["code"] for row in rows("securities")}
    listed = {row["identifier"] for row in rows("listings")}
    held_tickers = {
        ticker
        for ticker, identifier in held(shared_data)
        if ticker and len(identifier) == 9 and identifier not in listed
    }
    plain = {re.sub(r" U[A-Z]?$", "", ticker).replace("/", ".") for ticker in held_tickers}
    assert {ticker for ticker in plain if f"US.{ticker}" not in codes} == set()
