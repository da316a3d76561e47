"""Pages from templates: the reader's language and theme, numbers as one reads them, entity tags."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import PurePath
from typing import Any, Literal
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from qotgate.model import Language
from qotgate.model.finite import finite
from qotgate.model.version import __version__
from qotgate.store.reads.ark import Place
from qotgate.web import request_ids
from qotgate.web.phrases import say
from qotgate.web.problems import sentence_of
from qotgate.web.site import LANGUAGES, Site, fresh

Theme = Literal["auto", "light", "dark"]
THEMES: tuple[Theme, ...] = ("auto", "light", "dark")
MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"
HTML_LANG = {"en": "en", "zh": "zh-CN"}


@dataclass(frozen=True, slots=True)
class View:
    """How one reader sees the site, and the state of the data that is shown."""

    lang: Language
    theme: Theme
    state: str

    @classmethod
    def of(cls, request: Request, site: Site) -> "View":
        theme = request.cookies.get("theme")
        return cls(
            lang=_language(request, site),
            theme=next((one for one in THEMES if one == theme), "auto"),
            state=site.state(),
        )


def _language(request: Request, site: Site) -> Language:
    """What the reader chose, else the first that the browser names, else the gateway's own."""
    wanted = [request.cookies.get("lang", "")]
    wanted += [part.strip().lower()[:2] for part in request.headers.get("Accept-Language", "").split(",")]
    return next((lang for one in wanted for lang in LANGUAGES if one == lang), site.lang)


def show(
    request: Request, site: Site, template: str, make: Callable[[View], dict[str, Any]], status: int = 200
) -> Response:
    """A page of what ``make`` gives; 304 where the reader has it."""
    view = View.of(request, site)
    tag = site.tag(view.state, view.lang, view.theme)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Language, Cookie"}
    if status == 200 and fresh(request, tag):
        return Response(status_code=304, headers=headers)
    text = _render(request, view, template, make(view))
    return HTMLResponse(text, status, headers if status == 200 else {"Cache-Control": "no-store"})


def error_page(request: Request, site: Site, error: Exception, status: int) -> Response:
    """The page that says what went wrong."""

    def make(view: View) -> dict[str, Any]:
        missing = status == 404 and not hasattr(error, "sentence")
        sentence = say(view.lang, "error_missing") if missing else sentence_of(error, view.lang)
        return {"status": status, "sentence": sentence, "request_id": request_ids.current.get()}

    if status == 503:
        # Without a database there is no generation to show.
        view = View("zh" if site.lang == "zh" else "en", "auto", "")
        return HTMLResponse(_render(request, view, "error.html", make(view)), status)
    return show(request, site, "error.html", make, status)


def _render(request: Request, view: View, template: str, context: dict[str, Any]) -> str:
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return ENVIRONMENT.get_template(template).render(
        t=partial(say, view.lang),
        view=view,
        html_lang=HTML_LANG[view.lang],
        here=here,
        path=request.url.path,
        **context,
    )


def number(value: float | None, digits: int = 0) -> str:
    """Thousands apart; a dash where there is none."""
    value = finite(value)
    if value is None:
        return NONE
    return f"{value:,.{digits}f}".replace("-", MINUS)


def price(value: float | None) -> str:
    """As precise as it is."""
    return NONE if finite(value) is None else f"{value:,.2f}".removesuffix(".00")


def signed(value: float | None, digits: int = 0) -> str:
    """With its sign; nothing moved is 0."""
    value = finite(value)
    if value is None:
        return NONE
    text = f"{value:+,.{digits}f}"
    return text.lstrip("+-") if not text.strip("+-0.") else text.replace("-", MINUS)


def direction(value: float | None) -> str:
    """The class by which a signed number is coloured."""
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
    """A moment of the store, to the minute, in UTC."""
    return NONE if text is None else f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"


def file_url(place: Place) -> str:
    if place.line is None:
        return f"/files/{place.file_id}"
    return f"/files/{place.file_id}?line={place.line}#line-{place.line}"


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
    base=lambda path: PurePath(path).name,
    # Downloads of different days often have one name: the folder tells them apart.
    short=lambda path: "/".join(PurePath(path).parts[-2:]),
)
ENVIRONMENT.globals.update(query=query, version=__version__, themes=THEMES)
