"""Codes and sentences."""

import string

import pytest

from qotgate.model import InvalidRequest, Market, Security, is_loopback
from qotgate.model.sentences import SENTENCES


@pytest.mark.parametrize("text", ["US.TSLA", "HK.09923", "US.MOG.A", "US..DJI", "HK_FUTURE.HSImain"])
def test_codes_round_trip(text: str) -> None:
    assert str(Security.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "code"),
    [("us.tsla", "US.TSLA"), ("Us.Mog.a", "US.MOG.A"), ("hk_future.HSImain", "HK_FUTURE.HSImain")],
)
def test_codes_are_taken_in_any_case(text: str, code: str) -> None:
    assert str(Security.parse(text)) == code


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("LocalHost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_loopback_is_told_in_one_way(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_the_first_dot_ends_the_market() -> None:
    assert Security.parse("US.MOG.A") == Security(Market.US, "MOG.A")


@pytest.mark.parametrize("text", ["", "TSLA", "US.", "US", ".TSLA", "xx.TSLA", "XX.TSLA", "US. TSLA"])
def test_what_is_no_code_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"CODE takes a code as MARKET\.CODE"):
        Security.parse(text, "CODE")


def test_every_sentence_says_the_same_in_both_languages() -> None:
    def fields(template: str) -> set[str | None]:
        return {field for _, field, _, _ in string.Formatter().parse(template) if field}

    for name, sentence in SENTENCES.items():
        assert fields(sentence["en"]) == fields(sentence["zh"]), name
        assert sentence["en"].endswith(".") or name == "told", name
