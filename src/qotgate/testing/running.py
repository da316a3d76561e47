"""A gateway in a thread of the test's process, on a free port of 127.0.0.1, with its own database."""

import csv
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, get_args

import structlog

from qotgate.gateway import Gateway, GatewayOptions
from qotgate.limits.window import RateLimit
from qotgate.model import Language, QotGateError
from qotgate.relay.upstream import Upstream
from qotgate.service.loading import LoadReport, find_files, load
from qotgate.service.questions import Questions
from qotgate.service.reference import load_reference
from qotgate.serving.listening import listen_for
from qotgate.store import Store
from qotgate.testing.thread import LoopThread
from qotgate.testing.upstream import RecordMode, recorded_upstream

HOST = "127.0.0.1"
REQUIRED = {
    "notes": ("ticker", "firm", "rating", "date"),
    "trades": ("fund", "date", "direction", "ticker", "shares"),
    "holdings": ("date", "fund", "ticker", "shares", "weight"),
}
"""The required columns of a table of rows, by the kind of rows."""

Record = Mapping[str, Any]


class RunningGateway:
    """A running gateway; ``host`` and ``port`` are its address for a client."""

    def __init__(
        self,
        folder: Path,
        rate_limit: RateLimit | None,
        lang: Language,
        make_upstream: Callable[[], Upstream] | None = None,
    ) -> None:
        self._make_upstream = make_upstream
        self._folder = folder
        self._tables = 0
        self._reference = load_reference()
        self._store = Store.open(f"sqlite:///{folder / 'qotgate.db'}")
        self._options = GatewayOptions(host=HOST, port=0, rate_limit=rate_limit, lang=lang)
        self._thread = LoopThread(self._serve())
        self.host = HOST
        self.port = int(self._thread.started.rpartition(":")[2])

    def load(
        self,
        *paths: str | Path,
        notes: Iterable[Record] = (),
        trades: Iterable[Record] = (),
        holdings: Iterable[Record] = (),
    ) -> LoadReport:
        """Load more data, as ``qotgate load`` does; the next answer includes it.

        ``paths`` are files or folders. Rows are mappings with the columns of the tables that ``load`` reads:
        notes have ticker, firm, rating and date, and may have name and price_target; trades have fund, date,
        direction (Buy or Sell), ticker and shares; holdings have date, fund, ticker, shares and weight.
        Raises QotGateError for a missing path and for an unreadable row; unreadable lines of files are in the
        report's ``rejects``.
        """
        tables = [
            self._write(kind, list(rows))
            for kind, rows in (("notes", notes), ("trades", trades), ("holdings", holdings))
        ]
        written = [table for table in tables if table is not None]
        report = load(self._store, self._reference, find_files([*map(Path, paths), *written]))
        for path, line, reason in report.rejects:
            if Path(path) in [table.resolve() for table in written]:
                row = "" if line is None else f", row {line - 1}"
                raise QotGateError(f"{Path(path).stem.partition('-')[0]}{row}: {reason}.")
        return report

    def stop(self) -> None:
        """Send the pending answers, and stop."""
        self._thread.stop()
        self._store.close()

    def _write(self, kind: str, rows: list[Record]) -> Path | None:
        if not rows:
            return None
        for row in rows:
            if not isinstance(row, Mapping):
                raise QotGateError(f"{kind} takes rows that are mappings, such as dicts, not {row!r}.")
        self._tables += 1
        path = self._folder / f"{kind}-{self._tables}.csv"
        columns = dict.fromkeys([*REQUIRED[kind], *(column for row in rows for column in row)])
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(columns))
            writer.writeheader()
            writer.writerows({name: _cell(kind, name, value) for name, value in row.items()} for row in rows)
        return path

    @asynccontextmanager
    async def _serve(self) -> AsyncIterator[str]:
        upstream = self._make_upstream() if self._make_upstream is not None else None
        questions = Questions(self._store, self._reference, lang=self._options.lang)
        gateway = Gateway(questions, self._options, upstream=upstream)
        try:
            yield (await gateway.start(listen_for(self._options).tcp))[0]
        finally:
            await gateway.stop()


def _cell(kind: str, column: str, value: Any) -> Any:
    """A value as ``load`` reads it: blank for NaN, and tickers in ARK's files without their market."""
    if value != value:
        return ""
    if kind != "notes" and column == "ticker" and isinstance(value, str):
        return value.removeprefix("US.")
    return value


def log_to_logging() -> None:
    """Log through the standard library, unless the process has configured structlog: its own default would
    print into output that a test captures."""
    if not structlog.is_configured():
        structlog.configure(
            processors=[structlog.stdlib.add_log_level, structlog.stdlib.render_to_log_kwargs],
            logger_factory=structlog.stdlib.LoggerFactory(),
            wrapper_class=structlog.stdlib.BoundLogger,
        )


@contextmanager
def run_gateway(
    *paths: str | Path,
    notes: Iterable[Record] | None = None,
    trades: Iterable[Record] | None = None,
    holdings: Iterable[Record] | None = None,
    rate_limit: str | None = "off",
    lang: Language = "en",
    replay: str | Path | None = None,
    replay_speed: float = 1.0,
    replay_strict: bool = False,
    record: RecordMode = "none",
    upstream: str | None = None,
    upstream_trade: bool = False,
) -> Iterator[RunningGateway]:
    """A gateway on the given data, which :meth:`RunningGateway.load` reads; by default on qotgate's synthetic
    sample. ``rate_limit`` is as on the command line, such as ``60/30s``.

    ``replay`` is a recording that answers everything else, in place of an OpenD; ``replay_speed`` and
    ``replay_strict`` are as on the command line. With ``record`` "once", a missing recording is made from the
    OpenD at ``upstream``, HOST:PORT; with "all" it is made each time; ``upstream_trade`` lets trading
    requests through to that OpenD.

    Raises QotGateError, as ``load`` does.
    """
    if lang not in get_args(Language):
        raise QotGateError(f"lang takes {' or '.join(get_args(Language))}, not {lang!r}.")
    limit = RateLimit.parse(rate_limit or "off")
    log_to_logging()
    recorded = None
    if replay is not None:
        recorded = recorded_upstream(
            Path(replay),
            speed=replay_speed,
            strict=replay_strict,
            record=record,
            upstream=upstream,
            trade=upstream_trade,
        )
    with ExitStack() as stack:
        if recorded is not None:
            stack.callback(recorded.keep)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="qotgate-testing-"))
        make_upstream = recorded.make if recorded is not None else None
        gateway = RunningGateway(Path(folder), limit, lang, make_upstream)
        stack.callback(gateway.stop)
        given = {"notes": notes, "trades": trades, "holdings": holdings}
        rows = {kind: list(table) for kind, table in given.items() if table is not None}
        if paths or rows:
            gateway.load(*paths, **rows)
        else:
            with as_file(files("qotgate") / "sample") as sample:
                gateway.load(sample)
        yield gateway
