"""Searches securities by code or by a name in either language.

Only loaded securities can be found, a few thousand at most. They are read once for each state of the data,
and searched in memory, by published names and the tables' names, and by former symbols and names.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from threading import Lock

from qotgate.model import Language, Market, Security
from qotgate.model.sentences import SENTENCES, SEPARATORS
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


HK_DIGITS = 5
START_OF_WORD, ANY_PART, NO_MATCH = 2, 3, 4
"""Ranks of matches; 0 is the code itself, 1 its start."""
MAX_NEAR = 3
"""Number of suggestions for an unknown security."""
MAX_NOTED = 3
"""Unknown securities of one question that get a sentence each."""
LIKENESS = 0.7
"""Minimum similarity of a suggestion to the typed text, from 0 to 1, as measured by difflib."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """``codes`` and ``names`` are the current and former ones, for comparison; ``spelled`` are the codes of
    ARK's lines, by which its questions find the security too."""

    security: Security
    published: str
    codes: frozenset[str]
    spelled: frozenset[str]
    names: tuple[str, ...]
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
        codes, entries = _codes(wanted), self._entries()
        matches = _matches(entries, wanted, codes)
        if not matches:
            # If the listing of a code is not loaded, another listing of the same name may be.
            names = {name for code in codes | {f"us.{wanted}"} for name in self._names(code.upper())}
            matches = [code for name in sorted(names) for code in _matches(entries, name, {name})]
        return [self._found(entries[code], lang) for code in list(dict.fromkeys(matches))[:count]]

    def look_up(self, security: Security, lang: Language) -> Found:
        """The known data about a security; just its code if there are none."""
        entry = self._entries().get(str(security))
        return self._found(entry or _Entry(security, "", frozenset(), frozenset(), (), False, False), lang)

    def near(self, security: Security, lang: Language, *, in_ratings: bool = False) -> list[Found] | None:
        """Suggestions for an unknown ``security``, the most similar first; None if it is known. A former code
        in ARK's lines counts as known, except for questions about ratings (``in_ratings``)."""
        if not self._unknown([security], in_ratings=in_ratings):
            return None
        entries, code = self._entries(), str(security)
        texts = (security.code.casefold(), *self._names(code))
        # Two letters occur in many names.
        found = [one for text in texts for one in _matches(entries, text, _codes(text), START_OF_WORD)]
        # Of several listings of one company, the one in the typed market.
        found += sorted(
            self._like(security.code.casefold()),
            key=lambda code: entries[code].security.market != security.market,
        )
        return [self._found(entries[code], lang) for code in dict.fromkeys(found)][:MAX_NEAR]

    def _like(self, wanted: str) -> list[str]:
        """The codes of securities with a listing or a name similar to ``wanted``, the most similar first."""
        texts: dict[str, list[str]] = defaultdict(list)
        for code, entry in self._entries().items():
            for text in {entry.security.code.casefold(), *entry.names}:
                texts[text].append(code)
        near = get_close_matches(wanted, texts, MAX_NEAR, LIKENESS)
        return list(dict.fromkeys(code for text in near for code in texts[text]))

    def note(self, security: Security, lang: Language, *, in_ratings: bool = False) -> str | None:
        """A sentence that says that a security is unknown, with suggestions; None if it is known.
        ``in_ratings`` as in :meth:`near`."""
        near = self.near(security, lang, in_ratings=in_ratings)
        if near is None:
            return None
        listed = SEPARATORS[lang].join(
            f"{one.security} ({one.name})" if one.name else f"{one.security}" for one in near
        )
        sentence = SENTENCES["not_known_near" if near else "not_known"][lang]
        return sentence.format(code=security, near=listed)

    def note_on(self, securities: Iterable[Security], lang: Language, *, in_ratings: bool) -> str | None:
        """The same for several securities: a sentence for each of the first ``MAX_NOTED`` unknown ones, and
        one with the number of the others; None if all are known."""
        unknown = self._unknown(securities, in_ratings=in_ratings)
        said = [self.note(one, lang, in_ratings=in_ratings) or "" for one in unknown[:MAX_NOTED]]
        if len(unknown) > MAX_NOTED:
            said.append(SENTENCES["not_known_more"][lang].format(count=len(unknown) - MAX_NOTED))
        return ("" if lang == "zh" else " ").join(said) or None

    def _unknown(self, securities: Iterable[Security], *, in_ratings: bool) -> list[Security]:
        entries = self._entries()
        known = set() if in_ratings else {code for entry in entries.values() for code in entry.spelled}
        return [one for one in securities if str(one) not in entries and str(one).casefold() not in known]

    def _names(self, code: str) -> list[str]:
        """The table's names of a code, for comparison."""
        return [simplified(name).casefold() for name in self._reference.names.get(code, ()) if name]

    def _found(self, entry: _Entry, lang: Language) -> Found:
        name = self._reference.security_name(entry.security, lang, entry.published)
        return Found(entry.security, name, entry.in_ark, entry.in_ratings)

    def _entries(self) -> dict[str, _Entry]:
        with self._lock, self._store.reading() as connection:
            number = generation(connection)
            if number != self._read[0]:
                known = reads.securities.known_codes(connection)
                before: dict[str, set[str]] = defaultdict(set)
                for code, other, name in reads.securities.spellings(connection):
                    before[code] |= {other, name} - {""}
                entries = {code: self._entry(code, before[code], *about) for code, about in known.items()}
                self._read = number, entries
            return self._read[1]

    def _entry(
        self, code: str, before: Collection[str], published: str, in_ark: bool, in_ratings: bool
    ) -> _Entry:
        market, _, listing = code.partition(".")
        former = self._reference.former_names.get(code, ())
        symbols = {f"{market}.{one}" for one in former if one.isupper()}
        spelled = {one for one in before if one.partition(".")[0] in Market.__members__}
        codes = {code, *symbols, *spelled}
        codes |= {one.partition(".")[2] for one in codes}
        names = dict.fromkeys((published, *self._reference.names.get(code, ()), *former, *sorted(before)))
        texts = tuple(simplified(name).casefold() for name in names if name not in codes)
        lower, old = (frozenset(map(str.casefold, some)) for some in (codes, spelled))
        security = Security(Market[market], listing)
        return _Entry(security, published, lower, old, texts, in_ark, in_ratings)


def _codes(wanted: str) -> set[str]:
    """The possible codes in a text: itself, and a Hong Kong number of any length, such as 0700 and 700.HK."""
    number = wanted.removesuffix(".hk").removeprefix("hk.").removeprefix("hk:")
    if number.isascii() and number.isdecimal() and len(number) <= HK_DIGITS:
        return {wanted, f"hk.{number.zfill(HK_DIGITS)}"}
    return {wanted}


def _matches(
    entries: Mapping[str, _Entry], wanted: str, codes: Collection[str], worst: int = ANY_PART
) -> list[str]:
    """The codes of the matching securities with ranks up to ``worst``, the best first."""
    ranked = ((_rank(entry, wanted, codes), code) for code, entry in entries.items())
    return [code for rank, code in sorted((rank, code) for rank, code in ranked if rank <= worst)]


def _rank(entry: _Entry, wanted: str, codes: Collection[str]) -> int:
    if not entry.codes.isdisjoint(codes):
        return 0
    if any(code.startswith(wanted) for code in entry.codes):
        return 1
    if any(f" {name}".find(f" {wanted}") >= 0 for name in entry.names):
        return START_OF_WORD
    return ANY_PART if any(wanted in text for text in (*entry.codes, *entry.names)) else NO_MATCH
