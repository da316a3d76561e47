"""One security behind its identifiers and codes.

Published lines name a security by a CUSIP, CINS or SEDOL, by a ticker, or both; notices and holdings use
different numbers for one foreign listing. The *spelling* of a line is its ticker, identifier and name. All
spellings together decide which of them are one security, in any order of lines, files and loads:

1. Spellings of one code are one security.
2. Spellings that share an identifier are one, unless it is *contested*: lines of several codes have it. Then
   it belongs to one code. A second code shares it if the names match, or if both have had it on more than
   one day, one code after the other. It does not if the second code also has another identifier while the
   first code is in use: then its line is a mistake and joins nothing. Its identifier is not believed, and the
   line counts under its ticker and name.
3. Foreign listings without a code are one if tickers and names match: notices fuse the exchange to the
   ticker.
4. A line with neither ticker nor identifier is identified by its name. If the name says that the shares are
   unregistered, they belong to the listed stock of that name.
5. Positions that are renamed while their count stays are one security (:mod:`qotgate.ark.inference`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from qotgate.ark.codes import Listings, stems
from qotgate.ark.company_names import listed_name, same_company, words_of
from qotgate.model import Security


class Spelling(NamedTuple):
    """The published ticker, identifier and name of a line."""

    ticker: str
    identifier: str
    name: str


@dataclass(slots=True)
class Known:
    """A loaded spelling: its ``code``, the days of its first and last line, its security, and its
    ``identifier``, '' if it has none or the tables assign it to another.

    ``older`` is the number of a spelling that this one continues under a new name; ``believed`` tells whether
    its identifier is.
    """

    number: int
    code: Security | None
    first: date
    last: date
    security: int
    identifier: str = ""
    believed: bool = True
    older: int | None = None


Label = tuple[Security | None, str]
Member = tuple[Spelling, Known]
Members = defaultdict[str, list[Member]]
_CODE = "C:"
AT_ONCE = timedelta(days=7)
"""Files change to a new ticker within this time, notices before holdings; two codes seen together for longer
are both in use."""


class Move(NamedTuple):
    """The lines of a spelling move to another security."""

    spelling: Spelling
    dropped: int
    kept: int


class Identities:
    """The securities known so far, by the spellings of their lines. ``labels`` gives the code and the name of
    each, those of its latest lines.

    Changes not stored yet are in ``changed`` (spellings), ``relabelled`` (ids of securities) and ``dropped``
    (ids of securities that no longer exist).
    """

    def __init__(
        self,
        listings: Listings,
        spellings: Mapping[Spelling, Known] | None = None,
        labels: Mapping[int, Label] | None = None,
    ) -> None:
        self.spellings = dict(spellings or {})
        self.labels = dict(labels or {})
        self.changed: set[Spelling] = set()
        self.relabelled: set[int] = set()
        self.dropped: set[int] = set()
        self._listings = listings
        self._next_number = max((known.number for known in self.spellings.values()), default=0) + 1
        self._next_id = max(self.labels, default=0) + 1
        self._by_key: dict[str, int] = {}
        for spelling, known in self.spellings.items():
            code, known.identifier = self._listed(spelling)
            if code != known.code:
                known.code = code
                self.changed.add(spelling)
            self._index(spelling, known)

    def identify(self, spelling: Spelling, day: date) -> int:
        """The security id of a line, which :meth:`settle` may change."""
        known = self.spellings.get(spelling)
        if known is None:
            known = self._add(spelling, day)
        elif not known.first <= day <= known.last:
            known.first, known.last = min(known.first, day), max(known.last, day)
            self.changed.add(spelling)
        return known.security

    def find(self, spelling: Spelling) -> int | None:
        """The security id of a line that is not loaded, None if it would be new."""
        known = self.spellings.get(spelling)
        if known is not None:
            return known.security
        code, identifier = self._listed(spelling)
        return self._provisional(spelling, code, identifier)

    def rename(self, newer: int, older: int) -> None:
        """Record that two securities are one under a new name; :meth:`settle` joins them."""
        new = [member for member in self.spellings.items() if member[1].security == newer]
        free = min((member for member in new if member[1].older is None), key=_first, default=None)
        old = [member for member in self.spellings.items() if member[1].security == older]
        if free is not None and old and newer != older:
            spelling, known = free
            known.older = max(old, key=_last)[1].number
            self.changed.add(spelling)

    def settle(self) -> list[Move]:
        """Decide which spellings are one security. Returns those whose lines change hands."""
        members = list(self.spellings.items())
        groups = _Groups(known.number for _, known in members)
        believed = self._join(members, groups)
        parts: defaultdict[int, list[Member]] = defaultdict(list)
        for spelling, known in members:
            parts[groups.find(known.number)].append((spelling, known))
            if known.believed is not (known.number in believed):
                known.believed = not known.believed
                self.changed.add(spelling)
        before = {known.security for _, known in members}
        moves = []
        taken: set[int] = set()
        # The part with a security's oldest spelling keeps its id.
        for part in sorted(parts.values(), key=lambda part: min(known.number for _, known in part)):
            free = {known.security for _, known in part} - taken
            security = min(free) if free else self._new_id()
            taken.add(security)
            for spelling, known in part:
                if known.security != security:
                    moves.append(Move(spelling, known.security, security))
                    known.security = security
                    self.changed.add(spelling)
        self.dropped |= before - taken
        self._by_key.clear()
        for spelling, known in members:
            self._index(spelling, known)
        self._label()
        return moves

    def contradictions(self) -> dict[Spelling, list[Spelling]]:
        """The spellings whose identifier is not believed, each with those for which it is believed; no
        spellings if the tables assign it to another company."""
        owners: defaultdict[str, list[Spelling]] = defaultdict(list)
        for spelling, known in self.spellings.items():
            if known.believed and spelling.identifier:
                owners[spelling.identifier].append(spelling)
        return {
            spelling: owners[spelling.identifier]
            for spelling, known in self.spellings.items()
            if not known.believed
        }

    def _listed(self, spelling: Spelling) -> tuple[Security | None, str]:
        believed = self._listings.believes(*spelling)
        identifier = self._listings.identity(spelling.identifier) if believed else ""
        return self._listings.code(*spelling), identifier

    def _add(self, spelling: Spelling, day: date) -> Known:
        code, identifier = self._listed(spelling)
        security = self._provisional(spelling, code, identifier)
        if security is None:
            security = self._new_id()
        known = Known(self._next_number, code, day, day, security, identifier)
        self._next_number += 1
        self.spellings[spelling] = known
        self.changed.add(spelling)
        self._index(spelling, known)
        if security not in self.labels:
            self.labels[security] = code, spelling.name
            self.relabelled.add(security)
        return known

    def _provisional(self, spelling: Spelling, code: Security | None, identifier: str) -> int | None:
        keys = (
            [f"C:{code}"]
            if code
            else [f"I:{identifier}"]
            if identifier
            else [f"N:{spelling.name.casefold()}"]
        )
        if code and identifier:
            keys.append(f"J:{identifier} {words_of(spelling.name)[:1]}")
        return next((self._by_key[key] for key in keys if key in self._by_key), None)

    def _index(self, spelling: Spelling, known: Known) -> None:
        keys = []
        if known.code is not None:
            keys.append(f"C:{known.code}")
        elif not known.identifier:
            keys.append(f"N:{spelling.name.casefold()}")
        if known.identifier and known.believed:
            keys += [f"I:{known.identifier}", f"J:{known.identifier} {words_of(spelling.name)[:1]}"]
        for key in keys:
            self._by_key.setdefault(key, known.security)

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _label(self) -> None:
        """Set the code and name of each security from its latest believed lines, independent of the order of
        loading."""
        latest: dict[int, tuple[tuple[object, ...], Spelling, Known]] = {}
        for spelling, known in self.spellings.items():
            place = (
                known.code is not None,
                known.believed,
                known.last,
                known.first,
                str(known.code),
                spelling,
            )
            best = latest.get(known.security)
            if best is None or place > best[0]:
                latest[known.security] = place, spelling, known
        labels = {security: (known.code, spelling.name) for security, (_, spelling, known) in latest.items()}
        self.relabelled.update(key for key, label in labels.items() if self.labels.get(key) != label)
        self.labels = labels

    def _join(self, members: list[Member], groups: "_Groups") -> set[int]:
        """Join spellings by the rules above. Returns the numbers of the spellings whose identifier is
        believed."""
        by_claim: Members = defaultdict(list)
        by_identifier: Members = defaultdict(list)
        by_name: Members = defaultdict(list)
        foreign: Members = defaultdict(list)
        believed = {
            known.number for spelling, known in members if known.identifier or not spelling.identifier
        }
        for spelling, known in members:
            by_claim[_claim(spelling, known)].append((spelling, known))
            if known.identifier:
                by_identifier[known.identifier].append((spelling, known))
            elif known.code is None:
                by_name[spelling.name.casefold()].append((spelling, known))
            if known.code is None:
                for stem in stems(spelling.ticker) if spelling.ticker else ():
                    foreign[stem].append((spelling, known))
        for claim, same in by_claim.items():
            if claim.startswith(_CODE):
                groups.join(same)
        for same in by_name.values():
            groups.join(same)
        for identifier, holders in by_identifier.items():
            owned, *others = _contest(identifier, holders, by_claim, self._listings)
            groups.join(owned)
            for part in others:
                groups.join(part)
                believed -= {known.number for _, known in part}
        for alike in foreign.values():
            for place, member in enumerate(alike):
                same = [other for other in alike[:place] if same_company(other[0].name, member[0].name)]
                groups.join([*same[:1], member])
        for member in members:
            groups.join([member, *_registered(member, members)])
        numbered = {member[1].number: member for member in members}
        for member in members:
            if member[1].older in numbered:
                groups.join([member, numbered[member[1].older]])
        return believed


def _first(member: Member) -> tuple[date, Spelling]:
    return member[1].first, member[0]


def _last(member: Member) -> tuple[date, Spelling]:
    return member[1].last, member[0]


def _claim(spelling: Spelling, known: Known) -> str:
    """The key of a line whose identifier is not believed: its code or, abroad, its ticker; '' without
    either."""
    return f"{_CODE}{known.code}" if known.code else [*stems(spelling.ticker)][-1]


def _contest(
    identifier: str, holders: list[Member], by_claim: Members, listings: Listings
) -> list[list[Member]]:
    """The spellings with an identifier, in the parts they belong to; the first part has the identifier."""
    claims: Members = defaultdict(list)
    for member in holders:
        claims[_claim(*member)].append(member)
    bare = claims.pop("", [])
    if len(claims) < 2:
        return [holders]
    elsewhere = {
        claim: [member for member in by_claim[claim] if member[1].identifier != identifier]
        for claim in claims
    }
    own = {
        claim: [member for member in others if member[1].identifier] for claim, others in elsewhere.items()
    }

    def itself(claim: str) -> bool:
        """Whether the lines with the identifier have the same name as the others of the claim."""
        return not elsewhere[claim] or _agree(elsewhere[claim], claims[claim])

    def rank(claim: str) -> tuple[object, ...]:
        first, last = _days(claims[claim])
        elsewhere_too = bool(own[claim]) or listings.lists(claims[claim][0][1].code)
        return elsewhere_too, not itself(claim), first - last, first, claim

    owner, *others = sorted(claims, key=rank)
    here = _days(by_claim[owner])

    def shares(claim: str) -> bool:
        if own[claim] and _overlap(_days(own[claim]), here):
            return False
        if itself(claim) and _agree(claims[claim], claims[owner]):
            return True
        repeated = all(first < last for first, last in (_days(claims[claim]), _days(claims[owner])))
        return repeated and not _overlap(_days(by_claim[claim]), here, AT_ONCE)

    parts = [claims[owner]]
    for claim in others:
        if shares(claim):
            parts[0] = parts[0] + claims[claim]
        else:
            parts.append(claims[claim])
    for member in bare:
        named = (part for part in parts if _agree([member], part))
        next(named, parts[0]).append(member)
    return parts


def _registered(member: Member, members: list[Member]) -> list[Member]:
    """The lines of the listed stock that a line of unregistered shares belongs to."""
    spelling, known = member
    stock = "" if known.code else listed_name(spelling.name)
    if not stock:
        return []
    named = {
        other.code: (spelling, other)
        for spelling, other in members
        if other.code and words_of(spelling.name) == words_of(stock)
    }
    return list(named.values()) if len(named) == 1 else []


def _agree(some: Iterable[Member], others: Iterable[Member]) -> bool:
    names = {spelling.name for spelling, _ in others}
    return any(same_company(spelling.name, name) for spelling, _ in some for name in names)


def _days(members: Iterable[Member]) -> tuple[date, date]:
    known = [known for _, known in members]
    return min(one.first for one in known), max(one.last for one in known)


def _overlap(one: tuple[date, date], other: tuple[date, date], margin: timedelta = timedelta(0)) -> bool:
    return max(one[0], other[0]) + margin <= min(one[1], other[1])


class _Groups:
    """Numbers joined into groups, each represented by its smallest (a disjoint-set forest)."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._parent = {number: number for number in numbers}

    def find(self, number: int) -> int:
        while (parent := self._parent[number]) != number:
            self._parent[number] = self._parent[parent]
            number = parent
        return number

    def join(self, members: Iterable[Member]) -> None:
        found = {self.find(known.number) for _, known in members}
        for number in found:
            self._parent[number] = min(found)
