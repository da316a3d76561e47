"""Codes and sentences."""

import string

import pytest

from qotgate.model import InvalidRequest, Market, Security
from qotgate.model.sentences import SENTENCES


@pytest.mark.parametrize("text", ["US.TSLA", "HK.09923", "US.MOG.A", "US..DJI", "HK_FUTURE.HSImain"])
def test_codes_round_trip(text: str) -> None:
    assert str(Security.parse(text)) == text


def test_the_first_dot_ends_the_market() -> None:
    assert Security.parse("US.MOG.A") == Security(Market.US, "MOG.A")


@pytest.mark.parametrize("text", ["", "TSLA", "US.", "US", ".TSLA", "us.TSLA", "XX.TSLA", "US. TSLA"])
def test_what_is_no_code_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"CODE takes a code as MARKET\.CODE"):
        Security.parse(text, "CODE")


def test_every_sentence_says_the_same_in_both_languages() -> None:
    def fields(template: str) -> set[str | None]:
        return {field for _, field, _, _ in string.Formatter().parse(template) if field}

    for name, sentence in SENTENCES.items():
        assert fields(sentence["en"]) == fields(sentence["zh"]), name
        assert sentence["en"].endswith(".") or name == "told", name
