"""Identifiers before and after a spreadsheet changed them."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from qotgate.sources.identifiers import clean_identifier, is_cusip, is_sedol

DIGITS = "0123456789"


def with_check_digit(text: str) -> str:
    return next(text + digit for digit in DIGITS if is_cusip(text + digit))


@pytest.mark.parametrize(
    "text", ["88160R101", "037833100", "G93A5A101", "J35759125", "20717E101", "46120E602"]
)
def test_published_cusips_and_cins_have_their_check_digit(text: str) -> None:
    assert is_cusip(text)
    assert not is_cusip(text[:-1] + str((int(text[-1]) + 1) % 10))


@pytest.mark.parametrize("text", ["6084848", "BL58D39", "B0HZL93", "0732358"])
def test_published_sedols_have_their_check_digit(text: str) -> None:
    assert is_sedol(text)
    assert not is_sedol(text[:-1] + str((int(text[-1]) + 1) % 10))


@pytest.mark.parametrize("text", ["", "88160R10", "88160r101", "８８１６０R101", "88160R10A"])
def test_other_shapes_are_neither(text: str) -> None:
    assert not is_cusip(text)
    assert not is_sedol(text)


def test_a_vowel_is_in_no_sedol() -> None:
    assert not is_sedol("A000000")


@pytest.mark.parametrize(
    ("cell", "identifier"),
    [
        ("88160R101", "88160R101"),
        (" 88160r101\xa0", "88160R101"),
        ("'037833100", "037833100"),
        ('="037833100"', "037833100"),
        ("X9USDMORS", "X9USDMORS"),
        ("BL58D39", "BL58D39"),
        ("6084848", "6084848"),
        (6084848.0, "6084848"),
        ("6084848.0", "6084848"),
        ("EUR", "EUR"),
        (896239100.0, "896239100"),
        (896239100, "896239100"),
        ("896239100.0", "896239100"),
        (8073108.0, "008073108"),
        ("8073108", "008073108"),
        ("92667104", "092667104"),
        (361105.0, "000361105"),
        (2.9355e111, "29355E107"),
        ("2.9355E+111", "29355E107"),
        (2.0717e105, "20717E101"),
    ],
)
def test_the_damage_of_spreadsheets_is_undone(cell: str | float, identifier: str) -> None:
    assert clean_identifier(cell) == identifier


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "",
            "-",
            "N/A",
            "000000000",
            "CASH",
            "UNKNOWN",
            "AVAILABLE",
            "#########",
            "nan",
            "TBD",
            "US88160R1014",
        ),
        *("2.94E+111", "1.23457E+20", "1E999", "x" * 100_000),
        *(0.0, -896239100.0, 0.5, 12.0, 896239101.0, 10**400, True, float("nan"), float("inf")),
    ],
)
def test_what_leaves_a_doubt_is_no_identifier(cell: str | float) -> None:
    assert clean_identifier(cell) == ""


def test_seven_digits_that_fit_both_ways_are_a_sedol_as_text_and_a_cusip_as_number() -> None:
    both = next(n for n in range(5_000_000, 6_000_000) if is_cusip(f"{n:09d}") and is_sedol(str(n)))
    assert clean_identifier(float(both)) == f"{both:09d}"
    assert clean_identifier(str(both)) == str(both)


def test_a_float_that_several_cusips_give_is_none() -> None:
    """00437E102 is a share, but 0437E0102 would read the same; matching check digits are chance."""
    assert clean_identifier("00437E102") == "00437E102"
    assert clean_identifier(4.37e104) in ("", "00437E102")


@given(st.text(DIGITS, min_size=1, max_size=7), st.data())
@example("29355", None)
def test_a_cusip_read_as_a_float_comes_back_or_is_none(left: str, data: st.DataObject | None) -> None:
    size = 7 - len(left)
    right = data.draw(st.text(DIGITS, min_size=size, max_size=size)) if data else "10"
    cusip = with_check_digit(f"{left}E{right}")
    assume(float(cusip) >= 1e9)  # below, a spreadsheet takes it for digits, and they are read as shown
    assert clean_identifier(cusip) == cusip
    for cell in (float(cusip), str(float(cusip))):
        assert clean_identifier(cell) in (cusip, "")


@given(st.integers(0, 99), st.integers(1, 999), st.integers(10, 29))
def test_a_share_with_an_e_in_its_issuer_survives_a_float(high: int, low: int, issue: int) -> None:
    """As shares have it: five digits and the E for the issuer, two digits for the issue."""
    assume(low % 10 and high >= 10)
    cusip = with_check_digit(f"{high:02d}{low:03d}E{issue}")
    assert clean_identifier(float(cusip)) == cusip


@given(st.text(DIGITS, min_size=8, max_size=8))
def test_a_cusip_of_digits_read_as_a_number_comes_back_or_is_none(text: str) -> None:
    cusip = with_check_digit(text)
    for cell in (float(cusip), int(cusip), str(float(cusip)) if float(cusip) else ""):
        assert clean_identifier(cell) in (cusip, "")
    if not cusip.startswith("00"):
        assert clean_identifier(float(cusip)) == cusip


@given(st.one_of(st.text(), st.floats(), st.integers(), st.dates(), st.times()))
def test_any_cell_gives_an_identifier_or_none(cell: object) -> None:
    assert len(clean_identifier(cell)) in (0, 3, 7, 9)


@pytest.mark.parametrize(
    ("cell", "identifier"),
    [("CCTUSD", "USD"), ("CCTZAR", "ZAR"), ("CCTXXX", ""), ("PIPEACHRU", "PIPEACHRU"), ("undefined", "")],
)
def test_the_custodians_own_numbers(cell: str, identifier: str) -> None:
    assert clean_identifier(cell) == identifier
