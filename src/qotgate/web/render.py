"""Renders pages from templates: the reader's language and theme, number formats, entity tags."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import PurePath
from typing import Any, Literal
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from qotgate.model import Language
from qotgate.model.finite import finite
from qotgate.model.version import __version__
from qotgate.store.reads.ark import Place
from qotgate.web import request_ids
from qotgate.web.phrases import PAGE_LANGUAGES, PageLanguage, chosen_language
from qotgate.web.problems import sentence_of
from qotgate.web.site import Site, fresh

Theme = Literal["auto", "light", "dark"]
THEMES: tuple[Theme, ...] = ("auto", "light", "dark")
PREPARING_REST_SECONDS = 0.05
"""Between templates that are compiled before they are asked for."""
FIRST_TEMPLATES = ("base.html", "parts.html", "home.html")
MINUS = "\N{MINUS SIGN}"
DAY = re.compile(r"(\d{4}-\d\d-\d\d)")
COMMAND = re.compile("`([^`]+)`")
NONE = "\N{EN DASH}"
STALE_DAYS = 4
"""Data is stale when its last day is longer ago: files come after the close, and a weekend and a holiday may
intervene."""


@dataclass(frozen=True, slots=True)
class View:
    """One reader's view of the site, and the state of the data shown."""

    language: PageLanguage
    theme: Theme
    state: str

    @property
    def lang(self) -> Language:
        """The language of names and sentences."""
        return self.language.names

    def sentence(self, error: Exception) -> str:
        """The sentence for the reader about an error."""
        return self.language.own(sentence_of(error, self.lang))

    @classmethod
    def of(cls, request: Request, site: Site) -> "View":
        theme = request.cookies.get("theme")
        return cls(
            language=_language(request, site),
            theme=next((one for one in THEMES if one == theme), "auto"),
            state=site.state(),
        )


def _language(request: Request, site: Site) -> PageLanguage:
    """The reader's chosen language, else the browser's first known one, else the gateway's."""
    named = request.headers.get("Accept-Language", "").split(",")
    wanted = [request.cookies.get("lang", ""), *(part.partition(";")[0].strip() for part in named)]
    return chosen_language(wanted, site.lang)


def show(
    request: Request, site: Site, template: str, make: Callable[[View], dict[str, Any]], status: int = 200
) -> Response:
    """A page with the result of ``make``; 304 if the reader has it."""
    view = View.of(request, site)
    # The age of the data on a page changes with the day.
    tag = site.tag(view.state, view.language.tag, view.theme, str(_today()))
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Language, Cookie"}
    if status == 200 and fresh(request, tag):
        return Response(status_code=304, headers=headers)
    text = render(
        request,
        site,
        view,
        template,
        {"known": site.coverage(view.state), "ark_funds": site.funds(view.state), **make(view)},
    )
    return HTMLResponse(text, status, headers if status == 200 else {"Cache-Control": "no-store"})


def error_page(request: Request, site: Site, error: Exception, status: int) -> Response:
    """The page about an error."""

    def make(view: View) -> dict[str, Any]:
        missing = status == 404 and not hasattr(error, "sentence")
        sentence = view.language.say("error_missing") if missing else view.sentence(error)
        return {"status": status, "sentence": sentence, "request_id": request_ids.current.get()}

    if status == 503:
        # Without a database there is no generation to show.
        view = View(PAGE_LANGUAGES[site.lang], "auto", "")
        return HTMLResponse(
            render(request, site, view, "error.html", {"known": None, "ark_funds": (), **make(view)}), status
        )
    return show(request, site, "error.html", make, status)


def render(request: Request, site: Site, view: View, template: str, context: dict[str, Any]) -> str:
    """A template, filled with ``context`` and the common values."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return ENVIRONMENT.get_template(template).render(
        t=view.language.say,
        view=view,
        here=here,
        path=request.url.path,
        base_url=f"{request.url.scheme}://{request.url.netloc}",
        with_token=site.options.token is not None,
        **context,
    )


def prepare() -> None:
    """Compile every template, those of the first page first, and load the tables that convert names: half a
    second of work that a reader would otherwise wait for."""
    for name in dict.fromkeys((*FIRST_TEMPLATES, *ENVIRONMENT.list_templates())):
        ENVIRONMENT.get_template(name)
        if name not in FIRST_TEMPLATES:
            # Requests come first: this thread takes processor time from them.
            time.sleep(PREPARING_REST_SECONDS)
    for language in PAGE_LANGUAGES.values():
        language.own(language.name)


def number(value: float | None, digits: int = 0) -> str:
    """With thousands separators; a dash for None."""
    value = finite(value)
    if value is None:
        return NONE
    return f"{value:,.{digits}f}".replace("-", MINUS)


def price(value: float | None) -> str:
    """With two decimals, or none for a whole number."""
    return NONE if finite(value) is None else f"{value:,.2f}".removesuffix(".00")


def signed(value: float | None, digits: int = 0) -> str:
    """With its sign; no change is 0."""
    value = finite(value)
    if value is None:
        return NONE
    text = f"{value:+,.{digits}f}"
    return text.lstrip("+-") if not text.strip("+-0.") else text.replace("-", MINUS)


def direction(value: float | None) -> str:
    """The CSS class that colours a signed number."""
    return "" if not value else "up" if value > 0 else "down"


def cell(value: Any) -> str:
    """A cell of a published line."""
    value = finite(value)
    if value is None or value == "":
        return NONE
    if isinstance(value, float):
        return f"{value:,}".removesuffix(".0")
    if isinstance(value, int):
        return f"{value:,}"
    return value.isoformat() if isinstance(value, date) else str(value)


def moment(text: str | None) -> str:
    """A time in the store, to the minute, in UTC; the script shows it in the reader's time zone."""
    if text is None:
        return NONE
    return Markup('<time datetime="{}" data-local>{:%Y-%m-%d %H:%M} UTC</time>').format(
        text, datetime.fromisoformat(text)
    )


def age(day: date) -> int:
    """The days since ``day``, in UTC."""
    return (_today() - day).days


def _today() -> date:
    return datetime.now(UTC).date()


@pass_context
def own(context: Context, text: str) -> str:
    """A name or sentence of the gateway, written in the reader's language."""
    view: View = context["view"]
    return view.language.own(text)


def whole_days(text: str) -> Markup:
    """A sentence whose days are not broken at the end of a line."""
    parts = DAY.split(text)
    whole = Markup('<span class="whole">{}</span>')
    return Markup("").join(whole.format(part) if n % 2 else part for n, part in enumerate(parts))


def commands(text: str) -> Markup:
    """A sentence of the gateway, whose commands are between backticks, with the commands marked up."""
    parts = COMMAND.split(text)
    code = Markup("<code>{}</code>")
    return Markup("").join(code.format(part) if n % 2 else part for n, part in enumerate(parts))


def breakable(name: str) -> Markup:
    """The name of a file, to be broken at its underscores."""
    return escape(name).replace("_", Markup("_<wbr>"))


def untold_funds(text: str) -> str:
    """The funds in a research row's ``untold``, each once."""
    return ", ".join(dict.fromkeys(part.partition(" ")[0] for part in text.split("; ")))


def file_url(place: Place) -> str:
    if place.line is None:
        return f"/files/{place.file_id}"
    return f"/files/{place.file_id}?line={place.line}#line-{place.line}"


def institution_url(name: str) -> str:
    return f"/institutions/{quote(name, safe='')}"


def query(path: str, **parameters: Any) -> str:
    """A URL with the parameters that are not empty."""
    given = {name: str(value) for name, value in parameters.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


ENVIRONMENT = Environment(
    loader=PackageLoader("qotgate.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.filters.update(
    number=number,
    price=price,
    signed=signed,
    direction=direction,
    cell=cell,
    moment=moment,
    file_url=file_url,
    untold_funds=untold_funds,
    whole_days=whole_days,
    commands=commands,
    breakable=breakable,
    own=own,
    institution_url=institution_url,
    age=age,
    base=lambda path: PurePath(path).name,
    # Downloads of different days often have the same name: the folder distinguishes them.
    short=lambda path: "/".join(PurePath(path).parts[-2:]),
)
ENVIRONMENT.globals.update(
    query=query, version=__version__, themes=THEMES, languages=PAGE_LANGUAGES.values(), stale_days=STALE_DAYS
)
