"""Fetches a file and stores it, or gives the reason in a sentence.

An answer is only checked enough to distinguish the file from an error page. Reading it is the readers' work,
after it is stored.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path, PurePath

import httpx

from qotgate.sources.fetching.client import Client, FetchError, Version
from qotgate.sources.fetching.folder import FetchFolder

PAGES = 100
"""Largest number of pages requested for one answer."""

Count = Callable[[bytes], int]
"""Counts the rows of a file. Raises FetchError if it is not the expected file."""


class Status(StrEnum):
    """The outcome of a request for a file."""

    FETCHED = "fetched"
    UNCHANGED = "unchanged"
    EMPTY = "empty"
    """The publisher has no rows; the answer is not stored."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a request for a file: its path, or the reason for a failure."""

    title: str
    status: Status
    path: Path | None = None
    reason: str = ""


Job = Callable[[FetchFolder], Iterator[Outcome]]
"""Fetches one or several files, and yields the outcome of each."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to request.

    ``title`` is its name for the user, ``name`` its name in the folder. With a ``page_size``, further pages
    (``page``, from 0) are requested until one is not full.
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
        """The key of the file in the folder's record: its whole address without a password."""
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
    """Fetch a file with all its pages into ``kept``. A failure is an outcome, not an error.

    Raises OSError if a file cannot be stored.
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
            return  # the end, or a publisher without pages
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
    """The published file, read from the folder if it has not changed."""
    version, path = kept.known(page.address) or (None, None)
    answer = client.get(page.url, params=page.params or None, accept=page.accept, known=version)
    if answer.content is None and version is not None and path is not None:
        return path.read_bytes(), version
    return answer.content or b"", answer.version


def refuse_page(content: bytes) -> None:
    """Raise FetchError for an HTML page, which publishers send instead of an error."""
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"<":
        raise FetchError("its answer is a web page, not data")
