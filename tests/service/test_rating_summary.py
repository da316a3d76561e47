"""The institutions' ratings of one security: as of a day, in pages, by any of their names."""

from collections.abc import Callable
from datetime import date

import pytest

from qotgate.model import InvalidRequest, Market, NothingLoaded, RatingLevel, Security
from qotgate.service.loading import LoadReport
from qotgate.service.questions import Questions
from qotgate.service.ratings.summary import analyst_consensus, institution_ratings, rating_summary
from qotgate.service.reference import Reference
from qotgate.store import Store

LoadText = Callable[..., LoadReport]
MU = Security(Market.US, "MU")
HEADER = "ticker,firm,rating,price_target,date\n"


@pytest.fixture
def questions(store: Store, reference: Reference) -> Questions:
    return Questions(store, reference, lang="en")


def test_as_of_an_earlier_day(load_text: LoadText, questions: Questions) -> None:
    with pytest.raises(NothingLoaded):
        analyst_consensus(questions, MU)
    load_text(a=HEADER + "MU,UBS,Hold,90,2026-05-01\nMU,UBS,Buy,120,2026-06-01\nMU,Citi,Sell,70,2026-06-02\n")
    then, now = analyst_consensus(questions, MU, date(2026, 5, 20)), analyst_consensus(questions, MU)
    assert (then.rating, then.highest, then.known_to) == (RatingLevel.HOLD, 90, date(2026, 5, 20))
    assert (now.total, now.highest, now.lowest, now.known_to) == (2, 120, 70, date(2026, 6, 2))
    with pytest.raises(InvalidRequest):
        analyst_consensus(questions, MU, date(2026, 4, 30))
    found = rating_summary(questions, MU, as_of=date(2026, 5, 20))
    assert [(one.uid, one.target_price) for one in found.rows] == [("UBS", 90)]


def test_pages_go_on_in_what_there_was_at_the_first(load_text: LoadText, questions: Questions) -> None:
    firms = ("UBS", "Citi", "Barclays", "Jefferies", "Wedbush")
    load_text(a=HEADER + "".join(f"MU,{firm},Buy,,2026-06-0{day}\n" for day, firm in enumerate(firms, 1)))
    first = rating_summary(questions, MU, count=2)
    load_text(b=HEADER + "MU,UBS,Sell,,2026-06-05\nMU,Stifel,Buy,,2026-06-05\n")
    second = rating_summary(questions, MU, count=2, page=first.next_page)
    third = rating_summary(questions, MU, count=2, page=second.next_page)
    seen = [one.institution for page in (first, second, third) for one in page.rows]
    assert seen == ["Wedbush", "Jefferies", "Barclays", "Citigroup", "UBS"]
    assert third.next_page is None
    for wrong in ({"count": 0}, {"count": 21}, {"page": "forged"}):
        with pytest.raises(InvalidRequest):
            rating_summary(questions, MU, **wrong)
    with pytest.raises(InvalidRequest):
        rating_summary(questions, Security(Market.US, "TSLA"), page=first.next_page)


def test_an_institution_goes_by_any_of_its_names(load_text: LoadText, questions: Questions) -> None:
    load_text(a=HEADER + "MU,Citigroup Inc.,Buy,10,2026-06-01\nMU,Citi,Buy,,2026-06-01\n")
    for name in ("Citi", "花旗", "citigroup"):
        (found,) = institution_ratings(questions, MU, name).rows
        assert (found.uid, found.target_price) == ("Citigroup", 10)
    with pytest.raises(InvalidRequest, match="has rated"):
        institution_ratings(questions, MU, "UBS")
