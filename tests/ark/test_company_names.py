"""Names of the same company."""

import pytest

from qotgate.ark.company_names import listed_name, same_company


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("TELADOC HEALTH INC", "Teladoc Inc", True),
        ("HONEYWELL INTERNATIONAL INC", "HONEYWELL INTERNATIONAL I", True),
        ("TAKEDA PHARMACEUTIC-SP ADR", "TAKEDA PHARMACEUTICAL CO LTD", True),
        ("JSC KASPI.KZ GDR-REG S", "Kaspi.kz GDR", True),
        ("SHOPIFY INC - CLASS A", "SHOPIFY INC", True),
        ("ALPHABET INC-CL C", "ALPHA INC", False),
        ("FACEBOOK INC-CLASS A", "META PLATFORMS INC", False),
        ("GENERAL MOTORS CO", "GENERAL ELECTRIC CO", False),
        ("", "TESLA INC", False),
        ("THE CO", "THE CO", True),
    ],
)
def test_names_that_agree(one: str, other: str, same: bool) -> None:
    assert same_company(one, other) is same_company(other, one) is same


@pytest.mark.parametrize(
    ("name", "stock"),
    [
        ("ARCHER AVIATION INC-A UNREGISTERED SHARES", "ARCHER AVIATION INC-A"),
        ("ARCHER AVIATION INC-A UNR", "ARCHER AVIATION INC-A"),
        ("Senti Bio - place holdershares", "Senti Bio"),
        ("MARKFORGED HOLDING CORP PIPE", "MARKFORGED HOLDING CORP"),
        ("ARCHER AVIATION INC-A", ""),
        ("PIPER SANDLER", ""),
        ("BRERA HOLDINGS PLC WTS", ""),
    ],
)
def test_names_of_shares_that_are_not_registered(name: str, stock: str) -> None:
    assert listed_name(name) == stock
