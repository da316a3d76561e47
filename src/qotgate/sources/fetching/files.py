"""From a file that is wanted to a file that is kept, or a sentence that says why not.

What comes back is looked at only enough to tell the wanted file from an error page; reading it is the
readers' work, and comes after it is kept.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path, PurePath

import httpx

from qotgate.sources.fetching.client import Client, FetchError, Version
from qotgate.sources.fetching.folder import FetchFolder

PAGES = 100
"""The most pages of one answer that are asked for."""

Count = Callable[[bytes], int]
"""Counts the rows of a file. Raises FetchError where it is not the file that was wanted."""


class Status(StrEnum):
    """What became of a file that was asked for."""

    FETCHED = "fetched"
    UNCHANGED = "unchanged"
    EMPTY = "empty"
    """The publisher has none: an answer without rows, which is not kept."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file: where it is kept, or the reason why it is not."""

    title: str
    status: Status
    path: Path | None = None
    reason: str = ""


Job = Callable[[FetchFolder], Iterator[Outcome]]
"""Fetches one thing, which may be several files, and says what became of each."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to ask for.

    ``title`` is what the user calls it, ``name`` what it is kept as. With a ``page_size``, further pages
    (``page``, from 0) are asked for until one is not full.
    """

    title: str
    name: str
    url: str
    count: Count
    accept: str = "*/*"
    params: Mapping[str, str] = field(default_factory=dict)
    page_size: int | None = None

    @property
    def address(self) -> str:
        """The address under which the file is remembered: whole, but for a password in it."""
        url = httpx.URL(self.url, params=dict(self.params)) if self.params else httpx.URL(self.url)
        return str(url.copy_with(userinfo=b""))

    def page(self, number: int) -> "Wanted":
        if self.page_size is None:
            return self
        name = PurePath(self.name)
        return replace(
            self,
            title=f"{self.title}, page {number + 1}" if number else self.title,
            name=f"{name.stem}.page{number + 1}{name.suffix}" if number else self.name,
            params={**self.params, "page": str(number)},
        )


def fetch(client: Client, wanted: Wanted, kept: FetchFolder) -> Iterator[Outcome]:
    """Fetch a file with all its pages into ``kept``. What fails is told, not raised.

    Raises OSError where a file cannot be kept.
    """
    before = b""
    for number in range(PAGES):
        page = wanted.page(number)
        try:
            content, version = _ask(client, page, kept)
            rows = page.count(content)
        except FetchError as error:
            yield Outcome(page.title, Status.FAILED, reason=str(error))
            return
        if number and (not rows or content == before):
            return  # the end, or a publisher that does not know of pages
        if not rows:
            yield Outcome(page.title, Status.EMPTY)
            return
        path, new = kept.keep(page.address, page.name, content, version)
        yield Outcome(page.title, Status.FETCHED if new else Status.UNCHANGED, path)
        if page.page_size is None or rows < page.page_size:
            return
        before = content
    yield Outcome(wanted.title, Status.FAILED, reason=f"it has more than {PAGES} pages; the rest was left")


def _ask(client: Client, page: Wanted, kept: FetchFolder) -> tuple[bytes, Version]:
    """What is published now, read from the kept file where that is still it."""
    version, path = kept.known(page.address) or (None, None)
    answer = client.get(page.url, params=page.params or None, accept=page.accept, known=version)
    if answer.content is None and version is not None and path is not None:
        return path.read_bytes(), version
    return answer.content or b"", answer.version


def refuse_page(content: bytes) -> None:
    """Raise FetchError for a page for people, which is what publishers answer when something is wrong."""
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"<":
        raise FetchError("its answer is a web page, not data")
