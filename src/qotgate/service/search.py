"""Looking for a security by its code or by a name in either language.

What can be found is what is loaded, a few thousand securities at most: it is read once for each state of the
data, and searched in memory, where names of the tables stand beside the published ones.
"""

from dataclasses import dataclass
from threading import Lock

from qotgate.model import Language, Market, Security
from qotgate.service.chinese import simplified
from qotgate.service.reference import Reference
from qotgate.store import Store, reads
from qotgate.store.database import generation


@dataclass(frozen=True, slots=True)
class Found:
    """A security, its name, and whether ARK's files and analysts' notes have it."""

    security: Security
    name: str
    in_ark: bool
    in_ratings: bool


@dataclass(frozen=True, slots=True)
class _Entry:
    security: Security
    published: str
    texts: tuple[str, ...]
    in_ark: bool
    in_ratings: bool


class Search:
    """Searches the securities of a database."""

    def __init__(self, store: Store, reference: Reference) -> None:
        self._store = store
        self._reference = reference
        self._lock = Lock()
        self._read: tuple[int, dict[str, _Entry]] = (-1, {})

    def search(self, text: str, lang: Language, count: int) -> list[Found]:
        """Up to ``count`` securities, the best match first: by the code, by its start, by the start of a
        word of a name, by any part."""
        wanted = simplified(text).strip().casefold()
        if not wanted:
            return []
        ranked = ((_rank(entry, wanted), code, entry) for code, entry in self._entries().items())
        matches = sorted((rank, code) for rank, code, _ in ranked if rank is not None)
        return [self._found(self._entries()[code], lang) for _, code in matches[:count]]

    def look_up(self, security: Security, lang: Language) -> Found:
        """What is known of a security; by its code alone where nothing is."""
        entry = self._entries().get(str(security))
        return self._found(entry or _Entry(security, "", (), False, False), lang)

    def _found(self, entry: _Entry, lang: Language) -> Found:
        name = self._reference.security_name(entry.security, lang, entry.published)
        return Found(entry.security, name, entry.in_ark, entry.in_ratings)

    def _entries(self) -> dict[str, _Entry]:
        with self._lock, self._store.reading() as connection:
            number = generation(connection)
            if number != self._read[0]:
                known = reads.securities.known_codes(connection)
                entries = {code: self._entry(code, *about) for code, about in known.items()}
                self._read = number, entries
            return self._read[1]

    def _entry(self, code: str, published: str, in_ark: bool, in_ratings: bool) -> _Entry:
        market, _, listing = code.partition(".")
        names = (published, *self._reference.names.get(code, ()))
        texts = tuple(simplified(text).casefold() for text in (code, listing, *names))
        return _Entry(Security(Market[market], listing), published, texts, in_ark, in_ratings)


def _rank(entry: _Entry, wanted: str) -> int | None:
    code, listing, *names = entry.texts
    if wanted in (code, listing):
        return 0
    if listing.startswith(wanted) or code.startswith(wanted):
        return 1
    if any(f" {name}".find(f" {wanted}") >= 0 for name in names):
        return 2
    return 3 if any(wanted in text for text in entry.texts) else None
