"""Using a page on a phone, and while typing."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browsing import PHONE, looking, settle
from tests.support.serving import Serving

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "path",
    [
        *("/ratings", "/holdings", "/active-trades", "/moves", "/streaks?days=2", "/funds/ARKK"),
        *("/data", "/data/files", "/data/loads", "/data/coverage", "/data/holes"),
    ],
)
def test_on_a_phone_a_row_is_a_card(browser: Browser, sample_site: Serving, path: str) -> None:
    """No table of cards is wider than the screen, and the numbers are beside the names."""
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


def test_on_a_phone_a_day_stays_with_its_source_and_in_one_piece(
    browser: Browser, sample_site: Serving
) -> None:
    with looking(browser, sample_site, size=PHONE) as page:
        page.goto("/ratings")
        rows = page.locator("#changes tr")
        for at in range(rows.count()):
            day, source = (rows.nth(at).locator(name).bounding_box() for name in (".day", ".places"))
            assert day is not None
            assert source is not None
            assert abs(day["y"] - source["y"]) < day["height"] / 2
            assert source["x"] + source["width"] > day["x"] + day["width"] - 1
        for lang in ("en", "zh", "zh-Hant"):
            page.context.add_cookies([{"name": "lang", "value": lang, "url": str(sample_site.pages)}])
            page.goto("/moves?as_of=2026-06-22")
            day = page.locator("h1 .whole")
            expect(day).to_have_text("2026-06-22")
            assert day.evaluate("one => one.getClientRects().length") == 1


@pytest.mark.parametrize("lang", ["en", "zh", "zh-Hant"])
def test_on_a_phone_no_name_of_a_page_is_broken(browser: Browser, sample_site: Serving, lang: str) -> None:
    with looking(browser, sample_site, lang, size=PHONE) as page:
        page.goto("/")
        for link in page.locator("header.top nav a").all():
            height = link.evaluate("one => one.clientHeight / parseFloat(getComputedStyle(one).lineHeight)")
            assert height < 2, link.inner_text()


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


def test_a_chart_shows_the_range_and_measure_chosen(browser: Browser, sample_site: Serving) -> None:
    with looking(browser, sample_site) as page:
        page.goto("/securities/US.TSLA")
        settle(page)
        charts = page.locator("[data-charts=ark]")
        legend = charts.locator(".u-legend").first
        plot = charts.locator(".u-over").first
        end = {"x": plot.bounding_box()["width"] - 20, "y": 40}
        plot.hover(position=end)
        expect(legend).to_contain_text("Price in ARK’s files, USD")
        shares = legend.inner_text()
        caption = charts.locator("figcaption").first
        expect(caption).to_have_text("Position at the close · Shares")
        charts.get_by_role("button", name="Weight").click()
        expect(caption).to_have_text("Position at the close · Weight")
        expect(charts.get_by_role("img", name="Position at the close · Weight")).to_be_visible()
        plot.hover(position=end)
        expect(legend).to_contain_text("%")
        assert legend.inner_text() != shares
        drawn = charts.locator("canvas").first.screenshot()
        charts.get_by_role("button", name="1M").click()
        expect(charts.get_by_role("button", name="1M")).to_have_attribute("aria-pressed", "true")
        assert charts.locator("canvas").first.screenshot() != drawn


@pytest.mark.parametrize(
    ("lang", "mark", "year"), [("en", "1M", "1Y"), ("zh", "100万", "1 年"), ("zh-Hant", "100萬", "1 年")]
)
def test_a_chart_speaks_the_language_and_shows_the_latest_numbers(
    browser: Browser, sample_site: Serving, lang: str, mark: str, year: str
) -> None:
    """Axes are drawn on a canvas: their marks come from the formatter of the page's language."""
    with looking(browser, sample_site, lang, size=PHONE) as page:
        page.goto("/securities/US.TSLA")
        settle(page)
        charts = page.locator("[data-charts=ark]")
        expect(charts.get_by_role("button", name=year)).to_have_attribute("aria-pressed", "true")
        assert page.evaluate("compact.format(1e6)") == mark
        assert page.evaluate("minus(compact.format(-2e4))").startswith("−2")
        legend = charts.locator(".u-legend").first
        expect(legend).to_contain_text("2026-06-22")
        expect(legend).to_contain_text("2,450,000")
        expect(legend).not_to_contain_text("–")


def test_tables_are_sorted_by_their_heads(browser: Browser, sample_site: Serving) -> None:
    with looking(browser, sample_site) as page:
        page.goto("/funds/ARKK")
        head = page.get_by_role("columnheader", name="Shares", exact=True).last
        head.get_by_role("button").click()
        expect(head).to_have_attribute("aria-sort", "descending")
        cells = page.locator("table[data-sortable] tbody tr td:nth-child(5)").all_inner_texts()
        numbers = [int(text.replace(",", "")) for text in cells]
        assert numbers == sorted(numbers, reverse=True)
        page.goto("/streaks?days=2")
        head = page.locator("#TRADING_DAYS").locator("xpath=..").get_by_role("columnheader", name="Streak")
        head.get_by_role("button").click()
        expect(head).to_have_attribute("aria-sort", "descending")
        page.goto("/holdings")
        page.get_by_role("columnheader", name="Weight", exact=True).get_by_role("link").click()
        expect(page).to_have_url(re.compile("sort_field=WEIGHT&"))
        expect(page.get_by_role("columnheader", name="Weight", exact=True)).to_have_attribute(
            "aria-sort", "descending"
        )


def test_a_table_is_sorted_once_all_its_rows_are_there(browser: Browser, real_site: Serving) -> None:
    with looking(browser, real_site) as page:
        page.goto("/streaks?as_of=2021-05-03&days=3")
        table = page.locator("table", has=page.locator("#TRANSACTIONS"))
        if page.locator("[data-more=TRANSACTIONS]").count():
            assert table.get_by_role("columnheader").get_by_role("button").count() == 0
            page.locator("[data-more=TRANSACTIONS]").scroll_into_view_if_needed()
            expect(page.locator("[data-more=TRANSACTIONS]")).to_have_count(0)
        head = table.get_by_role("columnheader", name="Streak")
        head.get_by_role("button").click()
        cells = page.locator("#TRANSACTIONS td:nth-child(2)").all_inner_texts()
        lengths = [int(str(re.search(r"\d+", text)[0])) for text in cells]
        assert len(set(lengths)) > 5
        assert lengths == sorted(lengths, reverse=True)


def test_back_returns_to_the_row(browser: Browser, real_site: Serving) -> None:
    with looking(browser, real_site) as page:
        page.goto("/ratings")
        rows = page.locator("#changes tr")
        page.keyboard.press("End")
        expect(rows).not_to_have_count(40)
        count, link = rows.count(), rows.nth(60).locator(".security")
        link.scroll_into_view_if_needed()
        link.click()
        expect(page).to_have_url(re.compile("/securities/"))
        page.go_back()
        assert rows.count() >= count
        expect(rows.nth(60).locator(".security")).to_be_in_viewport()


def test_back_to_a_sorted_table_leaves_its_heads_and_buttons_as_they_were(
    browser: Browser, real_site: Serving
) -> None:
    with looking(browser, real_site) as page:
        page.goto("/funds/ARKK")
        page.locator("[data-follow]").click()
        page.locator("[data-more=days]").scroll_into_view_if_needed()
        expect(page.locator("#days tr")).not_to_have_count(30)
        page.locator("table[data-sortable] .security").first.click()
        expect(page).to_have_url(re.compile("/securities/"))
        page.go_back()
        expect(page.locator("#days tr")).not_to_have_count(30)
        expect(page.locator("table[data-sortable] th button")).to_have_count(3 + 6)
        head = page.get_by_role("columnheader", name="Shares", exact=True).last
        head.get_by_role("button").click()
        expect(head).to_have_attribute("aria-sort", "descending")
        button = page.locator("[data-follow]")
        expect(button).to_have_text("Following")
        button.click()
        expect(button).to_have_text("Follow")


def test_what_is_followed_is_kept_in_the_browser(browser: Browser, sample_site: Serving) -> None:
    with looking(browser, sample_site) as page:
        page.goto("/securities/US.TSLA")
        button = page.locator("[data-follow]")
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        page.goto("/funds/ARKW")
        page.get_by_role("button", name="Follow", exact=True).click()
        page.get_by_role("link", name="Following").click()
        expect(page).to_have_url(re.compile("follow=US.TSLA%2CARKW"))
        expect(page.locator(".timeline")).to_contain_text("ARKW bought 12,000 shares of US.TSLA")
        page.goto("/securities/US.TSLA")
        button.click()
        expect(button).to_have_text("Follow")
