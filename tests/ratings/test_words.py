"""Brokers' own words and names."""

import pytest

from qotgate.model import Grade, RatingLevel
from qotgate.ratings.words import GradeScale, Institutions, level

SCALE = GradeScale({"Equal-Weight": Grade.HOLD, "Strong Buy": Grade.STRONG_BUY, "买入": Grade.BUY})
HOUSES = Institutions([("BofA Securities", "美银证券", ["Bank of America"]), ("Needham", "", [])])


@pytest.mark.parametrize("word", ["Equal-Weight", "equal weight", "EQUALWEIGHT", " Equal_Weight. "])
def test_case_blanks_and_punctuation_do_not_matter(word: str) -> None:
    assert SCALE.grade(word) is Grade.HOLD


def test_levels() -> None:
    assert level(SCALE.grade("strong buy")) is level(SCALE.grade("买入")) is RatingLevel.BUY
    assert SCALE.grade("Cautious?") is None
    assert level(None) is RatingLevel.UNKNOWN


def test_institutions() -> None:
    for spelling in ("B of A Securities", "bank of america", "BofA Securities", "美银证券"):
        assert HOUSES.identity(spelling) == "BofA Securities"
    assert HOUSES.has("BofA Securities")
    assert not HOUSES.has("bofa securities")
    assert HOUSES.identity(" Some House ") == "Some House"
    assert HOUSES.name("BofA Securities", "zh") == "美银证券"
    assert HOUSES.name("BofA Securities", "en") == "BofA Securities"
    assert HOUSES.name("Needham", "zh") == "Needham"
