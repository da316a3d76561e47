"""Following: news about chosen stocks, funds and institutions, as a page and as an Atom feed (RFC 4287).

The address contains the list: the browser stores it, and the gateway stores nothing.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from qotgate.model.research import Trade
from qotgate.service.following import MAX_FOLLOWED, Followed, News, news
from qotgate.web.pages import or_sentence
from qotgate.web.render import View, number, price, query, render, show
from qotgate.web.site import Site, TheSite

Follow = Annotated[list[str] | None, Query(max_length=MAX_FOLLOWED)]

router = APIRouter()


@router.get("/following")
def following(request: Request, site: TheSite, follow: Follow = None) -> Response:
    """What is new, and the feed of it."""

    def make(view: View) -> dict[str, Any]:
        names = [name for text in follow or () for name in text.split(",")]
        followed, wrong = or_sentence(view, lambda: _followed(site, view, names), Followed())
        found: list[News] = []
        if followed:
            found, wrong = or_sentence(view, lambda: news(site.questions[view.lang], followed), [])
        kept = (*followed.codes, *followed.funds, *followed.institutions)
        return {
            "followed": kept,
            "wrong": wrong,
            "entries": [_entry(view, one) for one in found],
            "feed": query("/feed.atom", follow=",".join(kept)),
        }

    return show(request, site, "following.html", make)


@router.get("/feed.atom")
def feed(request: Request, site: TheSite, follow: Follow = None) -> Response:
    """The same as an Atom feed; of everything where nothing is named. Raises InvalidRequest."""
    view = View.of(request, site)
    names = [name for text in follow or () for name in text.split(",")]
    followed = _followed(site, view, names)
    found = news(site.questions[view.lang], followed)
    loaded_at = site.coverage(view.state).loaded_at or datetime.now(UTC).isoformat()
    text = render(
        request,
        site,
        view,
        "feed.atom",
        {"entries": [_entry(view, one) for one in found], "updated": loaded_at, "followed": followed},
    )
    return Response(text, media_type="application/atom+xml", headers={"Cache-Control": "private, no-cache"})


def _followed(site: Site, view: View, names: list[str]) -> Followed:
    return Followed.parse(names, site.funds(view.state))


def _entry(view: View, one: News) -> dict[str, Any]:
    """The fields of a piece of news for a page or feed."""
    say, own, row = view.language.say, view.language.own, one.row
    security = " ".join(filter(None, (row.security, own(row.name))))
    if isinstance(row, Trade):
        title = say(
            "news_bought" if (row.shares or 0) > 0 else "news_sold",
            fund=row.fund,
            shares=number(abs(row.shares or 0)),
            security=security,
        )
        confidence = "%.0f%%" % (100 * (row.confidence or 0))
        detail = f"{say(str(row.ground))} · {say('confidence')} {confidence}"
    else:
        rating = say(str(row.rating))
        if row.last_rating not in (None, row.rating):
            rating = f"{say(str(row.last_rating))} → {rating}"
        title = f"{security}: {own(row.institution)} · {say(str(row.change_type))}"
        detail = rating
        if row.target_price is not None:
            moved = row.last_target_price not in (None, row.target_price)
            before = f"{price(row.last_target_price)} → " if moved else ""
            detail += f" · {say('target')} {before}{price(row.target_price)}"
    href = f"/securities/{row.security}" if row.security else "/moves"
    return {"id": one.id, "day": one.day, "title": title, "detail": detail, "href": href}
