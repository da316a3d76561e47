"""Published tickers and identifiers to codes."""

import pytest

from qotgate.ark.codes import Listings, is_cash
from qotgate.model import Market, Security

LISTINGS = Listings(
    {"BL58D39": Security(Market.HK, "09923"), "5330047": None, "BM8H5Y5": None, "4012250": None},
    {"BL58D39": "Yeahka", "5330047": "Dassault", "BM8H5Y5": "Dassault", "4012250": "Airbus"},
)


@pytest.mark.parametrize(
    ("ticker", "identifier", "code"),
    [
        ("TSLA", "88160R101", "US.TSLA"),
        ("TSLA", "", "US.TSLA"),
        ("TREE UW", "52603B107", "US.TREE"),
        ("ARCT UQ", "03969T109", "US.ARCT"),
        ("TAK UN", "874060205", "US.TAK"),
        ("GRMN U", "B3Z5T14", "US.GRMN"),
        ("MOG/A", "615394202", "US.MOG.A"),
        ("9923", "BL58D39", "HK.09923"),
        ("9923HK", "G9835C108", "HK.09923"),
        ("700 HK", "", "HK.00700"),
        ("4689JP", "J9894K105", "JP.4689"),
        ("SHOP CN", "82509L107", "CA.SHOP"),
        ("DSY FP", "BM8H5Y5", None),
        ("TCS LI", "87238U203", None),
        ("DSY", "5330047", None),  # known to have no code
        ("AIR", "4012250", None),  # not US.AIR
        ("AIR", "4012251", None),  # a SEDOL that no table knows
        ("6301", "6496584", None),
        ("", "125842203", None),
    ],
)
def test_codes(ticker: str, identifier: str, code: str | None) -> None:
    found = LISTINGS.code(ticker, identifier)
    assert (None if found is None else str(found)) == code


def test_what_is_known_to_have_no_code_is_known() -> None:
    assert LISTINGS.knows("5330047")
    assert not LISTINGS.knows("4012251")


def test_a_listing_without_a_code_may_go_by_several_identifiers() -> None:
    assert LISTINGS.identity("BM8H5Y5") == LISTINGS.identity("5330047") == "5330047"
    assert LISTINGS.identity("4012250") == "4012250"
    assert LISTINGS.identity("BL58D39") == "BL58D39"


@pytest.mark.parametrize(
    ("ticker", "identifier", "cash"),
    [("", "X9USDDGCM", True), ("", "ZAR", True), ("", "125842203", False), ("X", "X9USDDGCM", False)],
)
def test_cash(ticker: str, identifier: str, cash: bool) -> None:
    assert is_cash(ticker, identifier) is cash
