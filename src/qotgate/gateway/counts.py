"""Counts of the requests on the wire, for the metrics.

Hundreds of thousands of cached answers go out each second. Only their packets' leads are counted, a batch
at a time; a scrape of the metrics looks up what they mean.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from struct import Struct

from qotgate.model import RateLimited, Refused
from qotgate.protocol.messages import ProtoId

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Upper bounds of the histogram of answer times, in seconds."""
OTHER = "other"
WATCHED = ("not_encrypted", "cannot_decrypt", "no_rsa_key", "websocket_key", "unserved")
"""Reasons that the metric reports from the start: a rate over a metric needs its 0."""
NAMES = {int(proto_id): proto_id.name for proto_id in ProtoId}
_PROTO_ID = Struct("<2xI")


class Counts:
    """Requests by interface and outcome: ``kept`` (answered from the cache), ``answered`` (computed),
    ``refused``, ``limited`` (over the allowance), or ``failed``."""

    def __init__(self) -> None:
        self.turned_away: Counter[str] = Counter(connections=0, address=0)
        """Refused connections by the limit reached: all slots, or the slots of one address."""
        self.reasons: Counter[str] = Counter(dict.fromkeys(WATCHED, 0))
        """Refused requests by the key of the sentence that refused them."""
        self._leads: Counter[bytes] = Counter()
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._times: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def kept(self, leads: Sequence[bytes]) -> None:
        """Count answers from the cache, by their packets' ``leads``."""
        if len(leads) == 1:
            # The common case; a call of update takes several times as long.
            self._leads[leads[0]] += 1
        else:
            self._leads.update(leads)

    def answered(self, proto_id: int) -> None:
        self._outcomes[interface_name(proto_id), "answered"] += 1

    def refused(self, proto_id: int, error: Refused) -> None:
        outcome = "limited" if isinstance(error, RateLimited) else "refused"
        self._outcomes[interface_name(proto_id), outcome] += 1
        self.reasons[error.sentence] += 1

    def failed(self, proto_id: int) -> None:
        """Count a failure of the gateway or its database on a request."""
        self._outcomes[interface_name(proto_id), "failed"] += 1

    def worked(self, proto_id: ProtoId, seconds: float) -> None:
        """Count a question that took ``seconds`` from request to answer."""
        name = NAMES[proto_id]
        if name not in self._times:
            self._seconds[name] = 0.0
            self._times[name] = [0] * (len(BOUNDS) + 1)
        self._times[name][bisect_left(BOUNDS, seconds)] += 1
        self._seconds[name] += seconds

    def requests(self) -> dict[tuple[str, str], int]:
        """Number of requests by interface and outcome."""
        found = self._outcomes.copy()
        for lead, count in self._leads.copy().items():
            found[interface_name(_PROTO_ID.unpack_from(lead)[0]), "kept"] += count
        return found

    def times(self) -> dict[str, tuple[list[int], float]]:
        """By interface: how many questions fall under each of BOUNDS and above them, and their total
        seconds."""
        return {name: (list(times), self._seconds[name]) for name, times in self._times.copy().items()}


def interface_name(proto_id: int) -> str:
    return NAMES.get(proto_id, OTHER)
