"""Prometheus metrics: requests on the wire and over HTTP, their duration, and the state of the data.

The wire's counts are this process's: with several workers, those of the worker that serves HTTP.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from qotgate.gateway import Gateway
from qotgate.gateway.counts import BOUNDS
from qotgate.relay.upstream import Figures
from qotgate.service.columns.cache import ColumnCache
from qotgate.store import Store, loads, reads
from qotgate.store.database import generation
from qotgate.web.connections import Connections

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The metrics of one site, in their own registry."""

    def __init__(self, store: Store, gateway: Gateway, connections: Connections) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Loaded(store))
        self.registry.register(_Wire(gateway))
        self.registry.register(_Http(connections))
        self.requests = Counter(
            "qotgate_http_requests",
            "HTTP requests by path and status.",
            ("path", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "qotgate_http_request_seconds",
            "How long HTTP requests took to answer.",
            ("path",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.streams = Gauge("qotgate_http_open_requests", "HTTP requests under way.", registry=self.registry)

    def text(self) -> bytes:
        return generate_latest(self.registry)


class _Wire(Collector):
    """The gateway's counts."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def describe(self) -> list[Metric]:
        """Nothing, as for the loaded data."""
        return []

    def collect(self) -> Iterator[Metric]:
        engine = self._gateway.engine
        counts = engine.counts
        requests = CounterMetricFamily(
            "qotgate_requests", "Requests on the wire.", labels=["interface", "outcome"]
        )
        for (interface, outcome), number in counts.requests().items():
            requests.add_metric([interface, outcome], number)
        yield requests
        refusals = CounterMetricFamily(
            "qotgate_refusals", "Requests on the wire that were refused, by the sentence.", labels=["reason"]
        )
        for reason, number in counts.reasons.copy().items():
            refusals.add_metric([reason], number)
        yield refusals
        seconds = HistogramMetricFamily(
            "qotgate_question_seconds",
            "How long uncached questions took.",
            labels=["interface"],
        )
        bounds = [*map(str, BOUNDS), "+Inf"]
        for interface, (times, total) in counts.times().items():
            seconds.add_metric([interface], list(zip(bounds, accumulate(times), strict=True)), total)
        yield seconds
        link = engine.allowance.backend_link
        if link is not None:
            yield GaugeMetricFamily(
                "qotgate_limit_store_up", "Whether the limit store answers, 1, or is away, 0.", int(link.up)
            )
            yield CounterMetricFamily(
                "qotgate_limit_store_failures", "How often the limit store did not answer.", link.failures
            )
            decisions = CounterMetricFamily(
                "qotgate_limit_store_decisions",
                "Requests that count, by what decided: the limit store, or the gateway without it.",
                labels=["by"],
            )
            for by, number in link.decisions.items():
                decisions.add_metric([by], number)
            yield decisions
        if engine.upstream is not None:
            yield from _upstream(engine.upstream.figures())
        connections = len(self._gateway.door.sessions)
        yield GaugeMetricFamily("qotgate_connections", "Open connections on the wire.", connections)
        yield _turned_away(
            "qotgate_connections_turned_away",
            "Connections on the wire that got no slot, by reason: too many in all, or from one address.",
            counts.turned_away,
        )
        columns = engine.questions.columns
        if columns is not None:
            yield from _columns(columns)
        kept = engine.cache.size
        yield GaugeMetricFamily("qotgate_kept_answer_bytes", "Bytes of memory of the cached answers.", kept)


def _columns(columns: ColumnCache) -> Iterator[Metric]:
    sizes = GaugeMetricFamily(
        "qotgate_data_cache_bytes", "Approximate bytes of memory of the cached data.", labels=["data"]
    )
    for name, size in columns.sizes.items():
        sizes.add_metric([name], size)
    yield sizes
    reads = CounterMetricFamily(
        "qotgate_data_cache_reads",
        "How often data was read into memory: in full, only a load's changes, or without success.",
        labels=["outcome"],
    )
    for outcome, number in columns.reads.items():
        reads.add_metric([outcome], number)
    yield reads


def _upstream(figures: Figures) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "qotgate_upstream_up",
        "Whether OpenD answered the last request or attempt to connect.",
        int(figures.up),
    )
    yield GaugeMetricFamily(
        "qotgate_upstream_connections", "Clients with a connection to OpenD.", figures.sessions
    )
    events = CounterMetricFamily(
        "qotgate_upstream_events", "Answers and pushes from OpenD, and failures, by kind.", labels=["event"]
    )
    for event, number in figures.events.items():
        events.add_metric([event], number)
    yield events


class _Http(Collector):
    """Counts of HTTP connections that exceeded a limit."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def describe(self) -> list[Metric]:
        """Nothing, as for the loaded data."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield _turned_away(
            "qotgate_http_connections_turned_away",
            "HTTP connections that were closed, or limited to probes, by reason: too many in all, too many "
            "from one address, or too slow.",
            self._connections.turned_away,
        )


def _turned_away(name: str, text: str, numbers: Mapping[str, int]) -> Metric:
    found = CounterMetricFamily(name, text, labels=["why"])
    for why, number in numbers.items():
        found.add_metric([why], number)
    return found


class _Loaded(Collector):
    """The state of the loaded data, read from the database on demand."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> list[Metric]:
        """Nothing, so that registering reads no database."""
        return []

    def collect(self) -> Iterator[Metric]:
        with self._store.reading() as connection:
            number = generation(connection)
            kinds = reads.files.kinds(connection)
            loaded_at, left_out = reads.files.last_load(connection)
            unread = loads.count_unread(connection)
        yield GaugeMetricFamily("qotgate_data_generation", "The number of the state of the data.", number)
        files = GaugeMetricFamily("qotgate_loaded_files", "Loaded files by kind.", labels=["kind"])
        records = GaugeMetricFamily(
            "qotgate_loaded_records", "Rows read from the loaded files, by kind.", labels=["kind"]
        )
        for row in kinds:
            files.add_metric([row["kind"]], row["files"])
            records.add_metric([row["kind"]], row["records"])
        yield files
        yield records
        yield GaugeMetricFamily("qotgate_rejected_lines", "Rejected lines of loaded files.", left_out)
        yield GaugeMetricFamily(
            "qotgate_rejected_files", "Files that neither a load nor a later one could read.", unread
        )
        if loaded_at is not None:
            moment = datetime.fromisoformat(loaded_at).timestamp()
            yield GaugeMetricFamily(
                "qotgate_last_load_timestamp_seconds", "When a file was last loaded.", moment
            )
