"""A page in a browser, which fails on any error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Browser, Page, expect

from tests.support.serving import Serving

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
LOCALES = {"en": "en-US", "zh": "zh-CN", "zh-Hant": "zh-TW"}


@contextmanager
def looking(
    browser: Browser,
    site: Serving,
    lang: str = "en",
    theme: Literal["light", "dark"] = "light",
    size: dict[str, int] = DESK,
) -> Iterator[Page]:
    """A page in a new browser context, which fails on any error."""
    context = browser.new_context(
        base_url=str(site.pages),
        locale=LOCALES[lang],
        color_scheme=theme,
        viewport=size,
        timezone_id="Asia/Tokyo",
    )
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(f"{request.url} {request.failure}"))
    page.on("request", lambda request: request.url.startswith(str(site.pages)) or wrong.append(request.url))
    yield page
    # A stream of events ends with its page, and leaving a page cancels its requests.
    told = [line for line in wrong if "/events" not in line and "ERR_ABORTED" not in line]
    assert not [line for line in told if "404 (Not Found)" not in line], told
    context.close()


def settle(page: Page) -> None:
    """Wait until the charts of a page are drawn."""
    for box in page.locator("[data-charts]").all():
        expect(box).to_have_attribute("data-drawn", "yes")
