"""A reader's choices, stored in cookies, and signing in where a token is required. Plain forms, which work
without scripts."""

from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from qotgate.web.phrases import PAGE_LANGUAGES
from qotgate.web.render import THEMES, View, show
from qotgate.web.safety import COOKIE, pass_of, same
from qotgate.web.site import TheSite

YEAR = 365 * 24 * 3600
CHOICES: dict[str, tuple[str, ...]] = {"theme": THEMES, "lang": tuple(PAGE_LANGUAGES)}

router = APIRouter()


@router.post("/preferences")
async def prefer(request: Request) -> Response:
    """Store the chosen theme or language, and go back."""
    form = await _form(request)
    response = RedirectResponse(_own(form.get("to", "/")), 303)
    for name, choices in CHOICES.items():
        if form.get(name) in choices:
            response.set_cookie(name, form[name], max_age=YEAR, httponly=True, samesite="lax")
    return response


@router.get("/sign-in")
def sign_in_page(request: Request, site: TheSite) -> Response:
    return show(request, site, "sign_in.html", lambda _view: {"wrong": False})


@router.post("/sign-in")
async def sign_in(request: Request, site: TheSite) -> Response:
    """Check the token, and set the cookie that proves it."""
    token = site.options.token
    if token is None:
        return RedirectResponse("/", 303)
    if not same((await _form(request)).get("token", ""), token):
        site.tell_wrong_token(request.scope)
        return show(request, site, "sign_in.html", _wrong, 401)
    response = RedirectResponse("/", 303)
    response.set_cookie(COOKIE, pass_of(token), max_age=YEAR, httponly=True, samesite="strict")
    return response


def _wrong(_view: View) -> dict[str, Any]:
    return {"wrong": True}


async def _form(request: Request) -> dict[str, str]:
    text = (await request.body()).decode("utf-8", "replace")
    return {name: values[0] for name, values in parse_qs(text).items()}


def _own(to: str) -> str:
    """A path of this site; anything else becomes the front page."""
    ours = to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable()
    return to if ours else "/"
