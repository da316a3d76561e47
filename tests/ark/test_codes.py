"""Maps published tickers and identifiers to codes."""

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
        ("AIR", "4012251", None),  # a SEDOL missing in the tables
        ("6301", "6496584", None),
        ("", "125842203", None),
        ("DSYSJ", "S2192Y109", None),  # exchange and ticker fused, as mailed
        ("HOFP", "F9156M108", None),
        ("AIRFP", "N0280G101", "US.AIRFP"),  # a Dutch CINS and a French exchange: ambiguous
        ("LSPDCN", "53227R107", "CA.LSPD"),  # six letters are no US ticker
        ("KSPILI", "48581R206", None),
        ("KSPI.GB", "48581R206", None),
        ("CRSP", "H17182108", "US.CRSP"),  # SP is Singapore's, H Switzerland's
        ("ETHQ/U", "", "US.ETHQ.U"),
    ],
)
def test_codes(ticker: str, identifier: str, code: str | None) -> None:
    found = LISTINGS.code(ticker, identifier, "")
    assert (None if found is None else str(found)) == code


def test_what_is_known_to_have_no_code_is_known() -> None:
    assert LISTINGS.knows("5330047")
    assert not LISTINGS.knows("4012251")


def test_a_listing_without_a_code_may_go_by_several_identifiers() -> None:
    assert LISTINGS.identity("BM8H5Y5") == LISTINGS.identity("5330047") == "5330047"
    assert LISTINGS.identity("4012250") == "4012250"
    assert LISTINGS.identity("BL58D39") == "BL58D39"


@pytest.mark.parametrize(
    ("ticker", "identifier", "name", "cash"),
    [
        ("", "X9USDDGCM", "DREYFUS GOVT CM INST", True),
        ("", "ZAR", "SOUTH AFRICAN RAND", True),
        ("", "", "Pound Sterling", True),
        ("", "125842203", "CM LIFE SCIENCES II INC", False),
        ("", "125842203", "EURO", False),
        ("", "", "EUROPA", False),
        ("X", "X9USDDGCM", "", False),
    ],
)
def test_cash(ticker: str, identifier: str, name: str, cash: bool) -> None:
    assert is_cash(ticker, identifier, name) is cash


@pytest.mark.parametrize(
    ("ticker", "identifier", "name", "believed", "code"),
    [
        ("9923", "BL58D39", "YEAHKA LTD", True, "HK.09923"),
        ("9923HK", "BL58D39", "Y", True, "HK.09923"),
        ("YKA", "BL58D39", "YEAHKA", True, "HK.09923"),
        ("", "BL58D39", "TESLA INC", True, "HK.09923"),
        ("TSLA", "BL58D39", "TESLA INC", False, "US.TSLA"),
        ("TSLA", "5330047", "TESLA INC", True, None),  # no US listing has a SEDOL
        ("TSLA UW", "5330047", "TESLA INC", False, "US.TSLA"),
        ("DSYFP", "5330047", "DASSAULT SYSTEMES SE", True, None),
        ("TSLA", "88160R101", "ROKU INC", True, "US.TSLA"),
    ],
)
def test_what_the_table_says_counts_unless_ticker_and_name_are_of_another(
    ticker: str, identifier: str, name: str, believed: bool, code: str | None
) -> None:
    assert LISTINGS.believes(ticker, identifier, name) is believed
    found = LISTINGS.code(ticker, identifier, name)
    assert (None if found is None else str(found)) == code
