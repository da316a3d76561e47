"""The phrases of the pages: the same ones in each language, none missing and none unused."""

import re
from pathlib import Path
from string import Formatter

import pytest

import qotgate.web
from qotgate.ark.grounds import Ground
from qotgate.model import (
    ArkActiveTransactionHoldingType,
    ArkCycleType,
    ArkFundHoldingSortField,
    ArkHoldingType,
    DynamicType,
    LoadOutcome,
    RankSortDir,
    RatingChangeType,
    RatingLevel,
)
from qotgate.service.ark.history import NOTICE
from qotgate.store.reads.files import LINE_COLUMNS
from qotgate.store.tables import HOLDINGS, HOLE, PARTIAL, UNTOLD
from qotgate.store.tables import NOTICE as NOTICE_DAY
from qotgate.web.list_pages import TRADE_SORTS
from qotgate.web.phrases import PAGE_LANGUAGES, chosen_language

PHRASES = PAGE_LANGUAGES["en"].phrases
ROOM = Path(str(qotgate.web.__file__)).parent
PREFIXES = ("theme_", "kind_", "span_", "by_", "help_", "why_", "streak_", "market_")
"""Prefixes of keys that a template composes."""


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_each_language_says_the_same() -> None:
    english = PAGE_LANGUAGES["en"].phrases
    for tag, language in PAGE_LANGUAGES.items():
        plain = {key for key in language.phrases if not key.endswith("_one")}
        assert plain == {key for key in english if not key.endswith("_one")}, tag
        assert {key.removesuffix("_one") for key in language.phrases} == plain, tag
        for key, text in language.phrases.items():
            wanted = fields(english[key.removesuffix("_one")])
            assert fields(text) == wanted or (key not in plain and fields(text) < wanted), (tag, key)


def test_one_thing_is_said_in_the_singular() -> None:
    english, chinese = PAGE_LANGUAGES["en"], PAGE_LANGUAGES["zh"]
    assert english.say("moves_count", count=1) == "1 security"
    assert english.say("moves_count", count=21) == "21 securities"
    assert english.say("net_sold", shares="1") == "with a net sale of 1 share"
    assert chinese.say("moves_count", count=1) == "1 只证券"


@pytest.mark.parametrize(
    ("wanted", "tag"),
    [
        (["", "zh-TW", "en"], "zh-Hant"),
        (["", "zh-Hant-HK"], "zh-Hant"),
        (["", "zh-CN"], "zh"),
        (["zh", "en"], "zh"),
        (["", "fr", "en-GB"], "en"),
        (["nonsense", "fr"], "zh"),
    ],
)
def test_a_reader_gets_the_first_language_known(wanted: list[str], tag: str) -> None:
    assert chosen_language(wanted, "zh").tag == tag


def test_traditional_pages_convert_names() -> None:
    assert PAGE_LANGUAGES["zh-Hant"].own("瑞银证券 UBS") == "瑞銀證券 UBS"
    assert PAGE_LANGUAGES["zh"].own("瑞银证券 UBS") == "瑞银证券 UBS"


def test_every_phrase_is_there_and_used() -> None:
    templates = [path.read_text(encoding="utf-8") for path in (ROOM / "templates").iterdir()]
    code = [path.read_text(encoding="utf-8") for path in ROOM.glob("*.py") if path.name != "phrases.py"]
    said = set(re.findall(r"""\bt\(\s*["'](\w+)["']""", "".join(templates)))
    said = {key for key in said if not key.endswith("_")}
    assert said <= set(PHRASES)
    words = {*DynamicType, *RatingChangeType, *RatingLevel, *(ground.name for ground in Ground), NOTICE}
    words |= {*ArkHoldingType, *ArkActiveTransactionHoldingType, *ArkCycleType, *RankSortDir}
    words |= {*ArkFundHoldingSortField, *TRADE_SORTS, *LoadOutcome}
    words |= {column for columns in LINE_COLUMNS.values() for column in columns}
    words |= {f"by_{source}" for source in (NOTICE_DAY, PARTIAL, HOLDINGS, UNTOLD, HOLE)}
    assert words <= set(PHRASES)
    quoted = set(re.findall(r"""["'](\w+)["']""", "".join(templates + code)))
    idle = {key.removesuffix("_one") for key in PHRASES} - said - words - quoted
    assert {key for key in idle if not key.startswith(PREFIXES)} == set()
