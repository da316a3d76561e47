"""The pages in a browser: in both languages and themes, by hand and by keyboard, while data arrives."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.support.browsing import DESK, PHONE, looking, settle
from tests.support.paths import ROOT, SAMPLE
from tests.support.serving import QOTGATE, Serving, ServingProcess, serving_process
from tests.web.conftest import PAGES

pytestmark = pytest.mark.slow

SCREENSHOTS = Path(os.environ.get("QOTGATE_TEST_SCREENSHOTS") or ROOT / "build" / "screenshots")
PAGE_MOST = 200_000
SERIOUS = ("serious", "critical")
PATHS = {
    "sample": {
        "home": "/",
        "moves": "/moves",
        "holdings": "/holdings",
        "active": "/active-trades?holding_type=INCREASE&cycle_type=FIVE_DAY",
        "streaks": "/streaks?days=2",
        "fund": "/funds/ARKK",
        "institution": "/institutions/Goldman%20Sachs",
        "search": "/search?q=in",
        "security": "/securities/US.TSLA",
        "security-ratings": "/securities/US.MU",
        "security-unknown": "/securities/US.NONE",
        "ratings": "/ratings",
        "ratings-none": "/ratings?day=2020-01-01",
        "data": "/data",
        "file": "/files/3?line=4#line-4",
        "help": "/help",
        "api": "/api",
        "following": "/following?follow=US.TSLA",
        "missing": "/nothing",
    },
    "real": {
        "home": "/",
        "security": "/securities/US.TSLA",
        "holdings": "/holdings?holding_type=SOLD_OUT&cycle_type=SIXTY_DAY",
        "security-then": "/securities/US.TSLA?as_of=2021-05-03",
        "streaks": "/streaks?as_of=2021-05-03",
        "fund": "/funds/ARKK?as_of=2021-05-03",
        "institution": "/institutions/UBS",
        "ratings": "/ratings",
        "data": "/data",
        "notes": "/files/1530?line=26381#line-26381",
    },
}
VIEWS = [
    ("en", "light", DESK),
    ("en", "dark", PHONE),
    ("zh", "light", PHONE),
    ("zh", "dark", DESK),
    ("zh-Hant", "light", PHONE),
]


@pytest.mark.parametrize(("lang", "theme", "size"), VIEWS)
@pytest.mark.parametrize("data", PATHS)
def test_each_page_is_readable(
    browser: Browser,
    request: pytest.FixtureRequest,
    data: str,
    lang: str,
    theme: Literal["light", "dark"],
    size: dict[str, int],
) -> None:
    site: Serving = request.getfixturevalue(f"{data}_site")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with looking(browser, site, lang, theme, size) as page:
        for name, path in PATHS[data].items():
            page.goto(path)
            settle(page)
            checked = Axe().run(page).response
            assert checked["passes"]
            found = checked["violations"]
            serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in SERIOUS]
            assert not serious, (name, serious)
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= size["width"], name
            chinese = re.search("[一-鿿]", page.locator("header.top nav").inner_text())
            assert bool(chinese) == (lang != "en")
            page.screenshot(path=SCREENSHOTS / f"{data}-{name}-{lang}-{theme}.png", full_page=size is DESK)


@pytest.mark.parametrize("data", PATHS)
def test_a_page_is_small(request: pytest.FixtureRequest, data: str) -> None:
    """With all its resources, except the data of its charts."""
    site: Serving = request.getfixturevalue(f"{data}_site")
    with httpx.Client(base_url=str(site.pages), headers={"Accept-Language": "zh"}) as web:
        for path in PATHS[data].values():
            answer = web.get(path)
            parts = set(re.findall(r"(?:src|href)=\"(/static/[^\"]+)", answer.text))
            sizes = {part: len(web.get(part).content) for part in parts}
            assert len(answer.content) + sum(sizes.values()) < PAGE_MOST, path
            assert min(sizes.values()) > 0


def test_language_and_theme_are_chosen_and_kept(browser: Browser, sample_site: Serving) -> None:
    with looking(browser, sample_site) as page:
        page.goto("/ratings?market=US")
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.get_by_role("button", name="Dark").click()
        expect(page).to_have_url(re.compile(r"/ratings\?market=US$"))
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
        page.get_by_role("button", name="简体中文").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("评级变动")
        page.goto("/data")
        assert page.locator("html").get_attribute("lang") == "zh-Hans"
        assert page.locator("html").get_attribute("data-theme") == "dark"
        page.get_by_role("button", name="浅色").click()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light


def test_search_by_keyboard(browser: Browser, sample_site: Serving) -> None:
    with looking(browser, sample_site) as page:
        page.goto("/")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        while page.evaluate("document.activeElement.name") != "q":
            page.keyboard.press("Tab")
        page.keyboard.type("tesla")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("/securities/US.TSLA$"))
        page.get_by_role("combobox").fill("o")
        page.get_by_role("combobox").press("Enter")
        assert page.locator("main tbody tr").count() > 2
        page.get_by_role("combobox").fill("no such thing")
        page.get_by_role("combobox").press("Enter")
        expect(page.locator(".empty")).to_contain_text("no such thing")


def test_a_number_leads_to_its_line(browser: Browser, sample_site: Serving) -> None:
    with looking(browser, sample_site) as page:
        page.goto("/securities/US.TSLA")
        expect(page.locator(".said")).to_contain_text(
            "net buyers on each of the last 2 days with trades: 76,041 shares"
        )
        page.get_by_role("link", name="+76,041").click()
        expect(page).to_have_url(re.compile("#trades-title$"))
        row = page.locator("#trades tr.counted", has_text="ARKK").filter(has_text="+28,000")
        row.locator(".places a").click()
        expect(page).to_have_url(re.compile(r"/files/\d+\?line=4#line-4$"))
        line = page.locator("tr[aria-current]")
        expect(line).to_contain_text("TESLA")
        expect(line).to_contain_text("28,000")
        notice = (SAMPLE / "ark" / "SYNTHETIC_TRADES_2026-06-22.csv").read_text().splitlines()[3]
        assert "TESLA" in notice
        assert "28000" in notice


def test_charts_are_drawn_and_follow_the_theme(browser: Browser, sample_site: Serving) -> None:
    with looking(browser, sample_site) as page:
        page.goto("/securities/US.TSLA")
        settle(page)
        expect(page.locator(".charts canvas")).to_have_count(3)
        drawn = page.locator(".charts canvas").first.screenshot()
        page.evaluate("document.querySelectorAll('.charts canvas').forEach(one => one.dataset.old = 'yes')")
        page.emulate_media(color_scheme="dark")
        expect(page.locator("canvas[data-old]")).to_have_count(0)
        settle(page)
        assert page.locator(".charts canvas").first.screenshot() != drawn
        # The sample's files have a hole from April to June: the chart has a gap there.
        plot, legend = page.locator(".charts .u-over").first, page.locator(".charts .u-legend").first
        plot.hover(position={"x": 300, "y": 50})
        expect(legend).to_contain_text("ARKK–")
        width = plot.bounding_box()["width"]
        plot.hover(position={"x": width - 30, "y": 50})
        expect(legend).to_contain_text("2,4")


@pytest.mark.parametrize("kind", ["Downgrades", "First ratings"])
def test_filters_and_scrolling_to_the_end(browser: Browser, real_site: Serving, kind: str) -> None:
    with looking(browser, real_site) as page:
        page.goto("/ratings")
        page.get_by_role("link", name=re.compile(f"^{kind}")).click()
        page.get_by_label("Market").select_option("US")
        page.get_by_label("Institution", exact=True).fill("Goldman Sachs")
        page.get_by_role("button", name="Filter").click()
        expect(page).to_have_url(re.compile("institution=Goldman"))
        in_all = int(
            str(re.search(r"([\d,]+) in total", page.locator("main").inner_text())[1]).replace(",", "")
        )
        assert in_all > 40
        rows = page.locator("#changes tr")
        for _ in range(in_all):
            if rows.count() == in_all:
                break
            page.keyboard.press("End")
            page.wait_for_timeout(50)
        expect(rows).to_have_count(in_all)
        expect(page.locator("[data-more]")).to_have_count(0)
        texts = rows.all_inner_texts()
        assert len(set(texts)) == in_all
        assert all("Goldman Sachs" in text for text in texts)
        with page.expect_download() as download:
            page.get_by_text("Download").click()
            page.get_by_role("link", name="CSV", exact=True).click()
        lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
        assert len(lines) == in_all + 1


def test_without_a_script_pages_are_links(browser: Browser, real_site: Serving) -> None:
    context = browser.new_context(base_url=str(real_site.pages), locale="en-US", java_script_enabled=False)
    page = context.new_page()
    page.goto("/ratings")
    first = page.locator("#changes tr").first.inner_text()
    page.get_by_role("link", name="More").click()
    assert page.locator("#changes tr").first.inner_text() != first
    context.close()


@pytest.fixture
def own_url(sample_url: str, copied: Callable[[str], str]) -> str:
    """The sample in a database that a test may load into."""
    return copied(sample_url)


@pytest.fixture
def own_site(own_url: str) -> Iterator[ServingProcess]:
    with serving_process(own_url, *PAGES) as gateway:
        yield gateway


def load(url: str, folder: Path, *rows: str) -> None:
    notes = folder / f"notes{len(list(folder.iterdir()))}.csv"
    notes.write_text("\n".join(["ticker,name,firm,rating,price_target,date", *rows, ""]))
    subprocess.run([*QOTGATE, "load", "--db", url, notes], check=True, stdout=subprocess.DEVNULL, timeout=60)


def test_a_load_shows_on_open_pages(
    browser: Browser, own_site: Serving, own_url: str, tmp_path: Path
) -> None:
    with (
        looking(browser, own_site) as home,
        looking(browser, own_site) as ratings,
        looking(browser, own_site) as data,
    ):
        home.goto("/")
        data.goto("/data")
        ratings.goto("/ratings")
        ratings.get_by_label("Institution", exact=True).fill("half typ")
        load(own_url, tmp_path, "MU,Micron,Newcomer Research,Buy,2000,2026-06-24")
        expect(home.locator("#changes tr").first).to_contain_text("Newcomer Research")
        expect(home.get_by_role("status")).to_contain_text("just loaded")
        expect(data.locator("#files tr").first).to_contain_text("notes")
        # Typed text is not lost.
        expect(ratings.get_by_role("status")).to_contain_text("New data is loaded.")
        expect(ratings.get_by_label("Institution", exact=True)).to_have_value("half typ")
        ratings.get_by_role("button", name="Show it").click()
        expect(ratings.locator("#changes tr").first).to_contain_text("Newcomer Research")
        load(
            own_url, tmp_path, "MU,Micron,Newcomer Research,Hold,1000,2026-06-25", "X,Ex,Y,Frob,1,2026-06-25"
        )
        expect(home.locator("#changes tr").first).to_contain_text("2026-06-25")
        expect(data.get_by_role("rowheader", name="Frob")).to_be_visible()


def test_pages_do_not_hold_up_the_end(browser: Browser, own_site: ServingProcess) -> None:
    context = browser.new_context(base_url=str(own_site.pages))
    page = context.new_page()
    with page.expect_request("**/events"):
        page.goto("/")
    assert own_site.stop() == 0
    context.close()
