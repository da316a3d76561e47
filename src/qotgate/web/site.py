"""What the API and the pages share: the services in each language, the state of the data, the allowance."""

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, get_args

from fastapi import Depends, Request

from qotgate import __version__
from qotgate.gateway import Gateway
from qotgate.gateway.allowance import Allowance, RateLimit
from qotgate.model import Language
from qotgate.service.questions import Questions
from qotgate.service.search import Search
from qotgate.store import provenance
from qotgate.store.database import generation
from qotgate.web.live import Live
from qotgate.web.metrics import Metrics

LANGUAGES: tuple[Language, ...] = get_args(Language)


@dataclass(frozen=True, slots=True)
class WebOptions:
    """How HTTP is served. ``token`` is what callers must know, None for anyone; ``rate_limit`` counts the
    API's own requests, by interface, None for no limit."""

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None
    rate_limit: RateLimit | None = None


class Site:
    """The services behind the API and the pages."""

    def __init__(self, questions: Questions, options: WebOptions, gateway: Gateway) -> None:
        self.options = options
        self.store = questions.store
        self.reference = questions.reference
        self.lang: Language = questions.lang
        self.questions = {lang: questions.varied(lang=lang) for lang in LANGUAGES}
        self.search = Search(questions.store, questions.reference)
        self.allowance = Allowance(options.rate_limit) if options.rate_limit else None
        self.live = Live(self.state)
        self.metrics = Metrics(questions.store, gateway)
        # Of two sites that answer differently no tag is the same.
        marks = (__version__, questions.reference.digest, ",".join(questions.funds), questions.window_days)
        self._key = questions.store.secret().encode()
        self._marks = "\x1f".join(map(str, marks))

    def generation(self) -> int:
        """The number of the state of the data. Raises StoreError."""
        with self.store.reading() as connection:
            return generation(connection)

    def state(self) -> str:
        """What moves with every load of a file, also of one that brings nothing new or nothing readable.
        Raises StoreError."""
        with self.store.reading() as connection:
            return f"{generation(connection)}.{provenance.last_file(connection)}"

    def tag(self, state: str, *parts: str) -> str:
        """The entity tag of what is shown of ``state``, ``parts`` telling one showing of a URL
        from another. It is weak: the bytes may differ."""
        text = "\x1f".join((self._marks, state, *parts)).encode()
        return f'W/"{hmac.digest(self._key, text, sha256).hex()[:20]}"'


def fresh(request: Request, tag: str) -> bool:
    """Whether the caller has what ``tag`` names."""
    known = request.headers.get("If-None-Match", "")
    return known.strip() == "*" or tag.removeprefix("W/") in (
        one.strip().removeprefix("W/") for one in known.split(",")
    )


async def site_of(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


TheSite = Annotated[Site, Depends(site_of)]
