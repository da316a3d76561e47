"""A request to the API: its format, its entity tag, and its count towards the allowance."""

from collections.abc import Callable, Iterator
from math import ceil
from typing import Annotated, Literal

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel

from qotgate.model import Language, is_loopback
from qotgate.service.questions import Questions
from qotgate.web.days import LOWER
from qotgate.web.formats import Format, encode, encode_parts, wanted_format
from qotgate.web.parameters import check_names
from qotgate.web.site import TheSite, check_allowance, fresh

RESEARCH = "research"
"""The interface name that all research tables count towards, and the folder of their paths."""
NamesIn = Annotated[
    Annotated[Literal["zh", "en"], LOWER] | None,
    Query(description="The language of names and sentences; the gateway's unless given."),
]


class Asked:
    """One request; ``questions`` are in its language."""

    def __init__(self, request: Request, site: TheSite, lang: NamesIn = None) -> None:
        self.request = request
        request.state.lang = lang or site.lang
        check_names(request)
        self.site = site
        self.lang: Language = lang or site.lang
        self.questions: Questions = site.questions[self.lang]
        self.format: Format = wanted_format(request)

    def answer(self, interface: str, make: Callable[[], BaseModel], *, later_page: bool = False) -> Response:
        """The result of ``make`` in the requested format, or 304 if the caller has it.

        As on the wire, later pages do not count; nor does a 304. Raises RateLimited over the allowance.
        """
        return self._answer(interface, lambda: encode(make(), self.format), later_page)

    def answer_now(self, interface: str, make: Callable[[], BaseModel]) -> Response:
        """The same for an answer that changes with the clock: without an entity tag, and never cached."""
        self._count(interface)
        response = encode(make(), self.format)
        headers = {"Cache-Control": "no-store", "Vary": "Accept"}
        response.headers.update(headers | getattr(self.request.state, "limit_headers", {}))
        return response

    def answer_in_parts(
        self, interface: str, parts: Iterator[BaseModel], *, later_page: bool = False
    ) -> Response:
        """The same for a long list, whose ``parts`` are made while the response is read; see
        :func:`qotgate.web.formats.encode_parts`."""
        return self._answer(interface, lambda: encode_parts(parts, self.format), later_page)

    def answer_with(self, interface: str, respond: Callable[[], Response]) -> Response:
        """The response from ``respond``; otherwise as :meth:`answer`."""
        return self._answer(interface, respond, later_page=False)

    def _answer(self, interface: str, respond: Callable[[], Response], later_page: bool) -> Response:
        # The tag is never newer than the answer: a load in between costs one extra answer, and never hides
        # new data.
        tag = self.site.tag(self.site.state(), self.format, self.lang)
        headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept"}
        if fresh(self.request, tag):
            return Response(status_code=304, headers=headers)
        if not later_page:
            self._count(interface)
        response = respond()
        response.headers.update(headers | getattr(self.request.state, "limit_headers", {}))
        return response

    def _count(self, interface: str) -> None:
        found = None if interface == RESEARCH and self._reads_freely() else self.site.take(interface)
        if found is None:
            return
        limit, taken = found
        self.request.state.limit_headers = {
            "RateLimit-Policy": f'"{interface}";q={limit.requests};w={ceil(limit.seconds)}',
            "RateLimit": f'"{interface}";r={taken.left};t={ceil(taken.until_more)}',
        }
        check_allowance(interface, limit, taken)

    def _reads_freely(self) -> bool:
        """Whether research tables do not count for this caller."""
        client = self.request.client
        return self.site.options.free_research and client is not None and is_loopback(client.host)


TheRequest = Annotated[Asked, Depends()]
