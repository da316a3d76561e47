"""A gateway with its pages, and a browser to look at them."""

import os
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.parts import program
from tests.support.serving import Serving, serving

expect.set_options(timeout=20_000)

PAGES = ("--http-port", "0", "--rate-limit", "off", "--lang", "en")


@pytest.fixture(scope="session")
def sample_site(sample_url: str) -> Iterator[Serving]:
    """The sample, with pages and without a limit."""
    with serving(sample_url, *PAGES) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def real_site(real_url: str) -> Iterator[Serving]:
    """All of the real data, with pages and without a limit."""
    with serving(real_url, *PAGES) as gateway:
        yield gateway


@pytest.fixture
def web(sample_site: Serving) -> Iterator[httpx.Client]:
    """An HTTP client of the sample."""
    with httpx.Client(base_url=str(sample_site.pages)) as client:
        yield client


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Debian's Chromium, for one test: Playwright leaves an event loop running in its thread as long as it is
    open, in which no other test can run one."""
    chromium = program("chromium")
    # Its sandbox does not start for root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()
