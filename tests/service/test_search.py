"""The search finds loaded securities: codes in any case, current and former symbols and names."""

from collections.abc import Callable

import pytest

from qotgate.model import Security
from qotgate.service.loading import LoadReport
from qotgate.service.reference import Reference
from qotgate.service.search import Search
from qotgate.store import Store

NOTES = """ticker,name,firm,rating,price_target,date
META,Meta Platforms,UBS,Buy,,2026-06-01
XYZ,Block,UBS,Buy,,2026-06-01
TSLA,Tesla,UBS,Buy,,2026-06-01
TSM,TSMC,UBS,Buy,,2026-06-01
SHOP.TO,Shopify,UBS,Buy,,2026-06-01
0700.HK,Tencent,UBS,Buy,,2026-06-01
HK:09923,Yeahka,UBS,Buy,,2026-06-01
SPCX,Space Exploration Technologies,UBS,Buy,,2026-06-01
TCEHY,Tencent ADR,UBS,Buy,,2026-06-01
JNJ,Johnson & Johnson,UBS,Buy,,2026-06-01
"""


@pytest.fixture
def search(store: Store, reference: Reference, load_text: Callable[..., LoadReport]) -> Search:
    load_text(notes=NOTES)
    return Search(store, reference)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        *((text, "US.META") for text in ("FB", "fb", "US.FB", "Facebook", "facebook", "us.meta", "Meta")),
        *((text, "US.XYZ") for text in ("SQ", "sq", "Square", "block")),
        *((text, "HK.00700") for text in ("0700", "700", "00700", "0700.HK", "hk.700", "HK:0700", "腾讯")),
        *((text, "US.TSLA") for text in ("tsla", "TESLA", "特斯拉")),
        *((text, "US.SPCX") for text in ("SpaceX", "spacex", "SPCX", "太空探索")),
        *((text, "US.TSM") for text in ("TSMC", "tsm", "台积电")),
        ("J&J", "US.JNJ"),
    ],
)
def test_what_people_type(search: Search, typed: str, code: str) -> None:
    assert str(search.search(typed, "en", 5)[0].security) == code


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("US.TSLAA", "US.TSLA"),
        ("US.TLSA", "US.TSLA"),
        ("US.SHOP", "CA.SHOP"),
        ("US.TESLA", "US.TSLA"),
        ("HK.0700", "HK.00700"),
        ("US.SHOPFY", "CA.SHOP"),
        ("US.TESLLA", "US.TSLA"),
        ("US.SPACEX", "US.SPCX"),
    ],
)
def test_a_code_that_is_not_known_is_answered_with_what_is_near(
    search: Search, typed: str, near: str
) -> None:
    found = search.near(Security.parse(typed), "en")
    assert found is not None
    assert str(found[0].security) == near


def test_what_is_not_known_is_said_in_a_sentence(search: Search) -> None:
    assert search.note(Security.parse("us.tsla"), "en") is None
    # The search finds it by its former symbol; questions need the current one.
    assert search.note(Security.parse("US.FB"), "en") == (
        "US.FB is not known here (did you mean US.META (Meta Platforms)?)."
    )
    assert search.note(Security.parse("US.TSLAA"), "en") == (
        "US.TSLAA is not known here (did you mean US.TSLA (Tesla)?)."
    )
    # A part of Yeahka's name, not the start of a word.
    assert search.note(Security.parse("US.AH"), "en") == "US.AH is not known here."
    assert search.note(Security.parse("US.QQQQQQ"), "en") == "US.QQQQQQ is not known here."
    assert search.note(Security.parse("US.QQQQQQ"), "zh") == "本网关没有 US.QQQQQQ 的数据。"


def test_the_symbols_that_lines_have_had_are_known(
    store: Store, reference: Reference, load_text: Callable[..., LoadReport]
) -> None:
    before = "fund,date,direction,ticker,cusip,company,shares,weight\n"
    load_text(
        a=before + "ARKK,2026-06-01,Buy,OLDN,00130H105,WIDGETS INC,100,0.1\n",
        b=before + "ARKK,2026-06-10,Buy,NEWN,00130H105,WIDGETS INC,100,0.1\n",
    )
    search = Search(store, reference)
    for typed in ("OLDN", "widgets", "NEWN"):
        assert str(search.search(typed, "en", 5)[0].security) == "US.NEWN"
    old = Security.parse("US.OLDN")
    assert search.note(old, "en") is None
    assert search.note(old, "en", in_ratings=True) == (
        "US.OLDN is not known here (did you mean US.NEWN (WIDGETS INC)?)."
    )


def test_another_listing_of_the_same_name_is_near(
    store: Store, reference: Reference, load_text: Callable[..., LoadReport]
) -> None:
    load_text(notes=NOTES.replace("0700.HK,Tencent,UBS,Buy,,2026-06-01\n", ""))
    search = Search(store, reference)
    assert str(search.search("0700", "en", 5)[0].security) == "US.TCEHY"
    assert search.note(Security.parse("HK.00700"), "en") == (
        "HK.00700 is not known here (did you mean US.TCEHY (Tencent ADR)?)."
    )
