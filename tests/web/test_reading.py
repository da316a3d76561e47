"""What a reader does with a page: on a phone, and while typing."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browsing import PHONE, looking
from tests.support.serving import Serving

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "path", ["/ratings", "/holdings", "/active-trades", "/moves", "/funds/ARKK", "/data/files"]
)
def test_on_a_phone_a_row_is_a_card(browser: Browser, sample_site: Serving, path: str) -> None:
    """No table of cards is wider than the screen, and the numbers stand beside the names."""
    with looking(browser, sample_site, size=PHONE) as page:
        page.goto(path)
        cards = page.locator("table.cards").first
        expect(cards.locator("tbody tr").first).to_be_visible()
        wide = page.locator(".scroll:has(.cards)").first.evaluate("one => one.scrollWidth - one.clientWidth")
        assert wide == 0
        row = cards.locator("tbody tr").first
        name, value = row.locator(".l1").first.bounding_box(), row.locator(".r1").first.bounding_box()
        assert name is not None
        assert value is not None
        assert value["y"] < name["y"] + name["height"]
        assert value["x"] > name["x"] + name["width"] - 1


def test_suggestions_are_chosen_by_keyboard(browser: Browser, sample_site: Serving) -> None:
    with looking(browser, sample_site, "zh-Hant") as page:
        page.goto("/")
        field = page.get_by_role("combobox")
        field.press_sequentially("英特爾")
        option = page.get_by_role("option")
        expect(option).to_have_text("US.INTC 英特爾")
        expect(field).to_have_attribute("aria-expanded", "true")
        field.press("ArrowDown")
        expect(option).to_have_attribute("aria-selected", "true")
        field.press("Escape")
        expect(option).to_be_hidden()
        field.press("ArrowDown")
        field.press("ArrowDown")
        field.press("Enter")
        expect(page).to_have_url(re.compile("/securities/US.INTC$"))
