"""Finds securities, funds and institutions by typed text, in either Chinese script, and suggests them while
the user types."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from qotgate.model import Language
from qotgate.service.chinese import simplified
from qotgate.service.ratings.changes import institution_names
from qotgate.service.search import Found
from qotgate.web.render import View, institution_url
from qotgate.web.site import Site, TheSite

SUGGESTIONS = 8
FOUND_MOST = 50

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Hits:
    """The results, the best match of each kind first; institutions by name."""

    securities: list[Found]
    funds: list[str]
    institutions: list[str]

    def only(self, text: str) -> str | None:
        """The address that a text leads to directly: the only result, or an exact match."""
        if self.funds and text.upper() == self.funds[0]:
            return fund_url(self.funds[0])
        exact = self.securities and text.upper() in (
            str(self.securities[0].security),
            self.securities[0].security.code,
        )
        if exact or (len(self.securities) == 1 and not self.funds and not self.institutions):
            return f"/securities/{self.securities[0].security}"
        if len(self.institutions) == 1 and not self.securities and not self.funds:
            return institution_url(self.institutions[0])
        return None


def fund_url(fund: str) -> str:
    return f"/funds/{fund}"


def find(site: Site, lang: Language, state: str, text: str, count: int) -> Hits:
    """Up to ``count`` of each kind with ``text`` in the code or name, in this ``state`` of the data."""
    text = text.strip()
    if not text:
        return Hits([], [], [])
    wanted = simplified(text).casefold()
    institutions = site.reference.institutions
    named = {
        institutions.name(institutions.named(name), lang)
        for spoken in site.questions.values()
        for name in spoken.remembered(("institutions", state), partial(institution_names, spoken))
        if wanted in simplified(name).casefold()
    }
    return Hits(
        site.search.search(text, lang, count),
        [fund for fund in site.funds(state) if fund.casefold().startswith(wanted)][:count],
        sorted(named, key=lambda name: (not simplified(name).casefold().startswith(wanted), name))[:count],
    )


@router.get("/suggest")
def suggest(request: Request, site: TheSite, q: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Where a text that is being typed may lead: the address, the code or name, and what says more."""
    view = View.of(request, site)
    hits, own = find(site, view.lang, view.state, q, SUGGESTIONS), view.language.own
    rows = [
        *((fund_url(fund), fund, view.language.say("ark_fund")) for fund in hits.funds),
        *((f"/securities/{one.security}", str(one.security), own(one.name)) for one in hits.securities),
        *(
            (institution_url(name), own(name), view.language.say("institution"))
            for name in hits.institutions[: SUGGESTIONS // 2]
        ),
    ]
    return JSONResponse(
        [{"href": href, "name": name, "more": more} for href, name, more in rows[:SUGGESTIONS]],
        headers={"Cache-Control": "private, no-store"},
    )
