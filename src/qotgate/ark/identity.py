"""One security behind its identifiers and codes.

Published lines name a security by a CUSIP, CINS or SEDOL, by a ticker, or both; notices and holdings use
different numbers for one foreign listing. Lines that share a number or a code are one security; a line
with neither is known by its name. When a line ties together two securities that were apart, they are
merged into the older one.
"""

from dataclasses import dataclass, field

from qotgate.model import Security


@dataclass
class Identities:
    """The securities known so far: ``aliases`` maps a number, code or name to a security's id; ``codes``
    and ``names`` give the latest of each. What has not been written down yet stands in ``added`` (aliases),
    ``changed`` (ids) and ``merged`` (a dropped id and the id that took its place).
    """

    aliases: dict[str, int]
    codes: dict[int, Security]
    names: dict[int, str]
    added: dict[str, int] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)
    merged: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._next_id = max(self.names, default=0) + 1

    def resolve(self, code: Security | None, identifier: str, name: str) -> int:
        """The id of the security of a line; a new id where the line is the first of it."""
        keys = [f"I:{identifier}"] if identifier else []
        if code is not None:
            keys.append(f"C:{code}")
        if not keys:
            keys = [f"N:{name.casefold()}"]
        known = sorted({self.aliases[key] for key in keys if key in self.aliases})
        if known:
            security_id = known[0]
            for other in known[1:]:
                self._merge(other, security_id)
        else:
            security_id = self._next_id
            self._next_id += 1
        for key in keys:
            if self.aliases.get(key) != security_id:
                self.aliases[key] = self.added[key] = security_id
        if code not in (None, self.codes.get(security_id)) or name != self.names.get(security_id):
            self.changed.add(security_id)
            self.names[security_id] = name
            if code is not None:
                self.codes[security_id] = code
        return security_id

    def rename(self, newer: int, older: int) -> None:
        """Two securities turn out to be one, which now goes by what the newer one is called."""
        while older in self.merged:
            older = self.merged[older]
        while newer in self.merged:
            newer = self.merged[newer]
        if newer == older:
            return
        code, name = self.codes.get(newer), self.names[newer]
        self._merge(newer, older)
        self.names[older] = name
        if code is not None:
            self.codes[older] = code
        self.changed.add(older)

    def _merge(self, dropped: int, kept: int) -> None:
        for key, security_id in self.aliases.items():
            if security_id == dropped:
                self.aliases[key] = self.added[key] = kept
        self.merged[dropped] = kept
        code = self.codes.pop(dropped, None)
        if code is not None and kept not in self.codes:
            self.codes[kept] = code
            self.changed.add(kept)
        self.changed.discard(dropped)
        del self.names[dropped]
