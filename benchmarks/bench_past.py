"""New questions about the past, compared with the same questions once their answers are cached.

One client asks and waits for each answer, with a new gateway in each run; ratios are within one run, and
their median is shown. Uses the real files next to the repository if they exist, else made-up ones. With
--postgresql it runs on PostgreSQL.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from time import perf_counter, sleep

from rich.console import Console
from rich.table import Table

from bench_holdings import write_files
from gateway.carriers import Question
from gateway.dataset import write_notes
from gateway.load_generator import Plan
from gateway.processes import Server, gateway, generate, web_service
from gateway.scale import moved
from gateway.servers import running_postgresql
from qotgate import QuoteClient
from qotgate.model import Security
from qotgate.service.ark.dynamics import ark_stock_dynamic
from qotgate.service.columns.cache import KINDS, ColumnCache
from qotgate.service.columns.trades import TradeColumns
from qotgate.service.loading import find_files, load
from qotgate.service.questions import Questions
from qotgate.service.reference import load_reference
from qotgate.store import Store

SHARED = Path(__file__).parents[2] / "shared" / "data"
STOCKS, DAYS = 150, 60
WARM_DAYS = 20
WARM_ROUNDS = 3
PORT = 18_273
IDLE_SECONDS = 30.0
PAGE_ROWS = 20
Call = Callable[[QuoteClient], object]
Calls = dict[str, list[Call]]


def load_data(folder: Path) -> str:
    """A database with the files of the questions; returns its URL."""
    url = f"sqlite:///{folder / 'past.db'}"
    files = [SHARED / "ark", SHARED / "ratings"]
    if not SHARED.is_dir():
        files = write_files(folder, 250)
        files.append(folder / "notes.csv")
        write_notes(files[-1], 20_000, 300, 1)
    store = Store.open(url)
    load(store, load_reference(), find_files(files), any_book=not SHARED.is_dir())
    store.close()
    return url


def calls(codes: Sequence[str], days: Sequence[date], note_days: Sequence[date]) -> Calls:
    """The requests of each interface, in the order of the table."""
    return {
        f"3424 as of {DAYS} days x {STOCKS} stocks": [
            partial(QuoteClient.ark_dynamic, security=code, as_of=day) for day in days for code in codes
        ],
        f"3423 first page as of {DAYS} days": [
            partial(first_row, QuoteClient.fund_holdings, as_of=day) for day in days
        ],
        f"3425 first page as of {DAYS} days": [
            partial(first_row, QuoteClient.active_transactions, as_of=day) for day in days
        ],
        f"3426 page as of {DAYS} days": [
            partial(first_row, QuoteClient.rating_changes, market="US", as_of=day) for day in note_days
        ],
    }


def first_row(method: Callable[..., Iterable[object]], client: QuoteClient, **given: object) -> object:
    """The first row of a list, which takes its first page."""
    return next(iter(method(client, page_size=PAGE_ROWS, **given)), None)


def ask(port: int, asked: Sequence[Call]) -> float:
    """Ask one question after the other. Returns the questions a second."""
    with QuoteClient(port=port) as client:
        client.connect()
        started = perf_counter()
        for call in asked:
            call(client)
        return len(asked) / (perf_counter() - started)


class Past:
    """One database and the requests to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store = Store.open(url)
        self.questions = Questions(self.store, load_reference(), columns=ColumnCache(self.store))
        assert self.questions.columns is not None
        for kind in KINDS:
            assert self.questions.columns.prepared(kind) is not None
        trades = self.questions.columns.get(TradeColumns)
        assert trades is not None
        _, last = trades.span(self.questions.funds)
        assert last is not None
        us = [code for code in sorted(trades.codes) if code.startswith("US.")]
        days = [last - timedelta(days=number) for number in range(DAYS + WARM_DAYS)]
        with self.store.reading() as connection:
            note_day = date.fromisoformat(
                str(connection.exec_driver_sql("SELECT max(day) FROM note").scalar())
            )
        note_days = [note_day - timedelta(days=3 * number) for number in range(DAYS + WARM_DAYS)]
        self.codes, self.days = us[:STOCKS], days[:DAYS]
        self.asked = calls(self.codes, self.days, note_days[:DAYS])
        self.warm = calls(self.codes, days[DAYS:], note_days[DAYS:])

    @contextmanager
    def warm_gateway(self) -> Iterator[tuple[Server, float]]:
        """A gateway with its columns in memory, and its memory in MiB before the first question."""
        with gateway(self.url) as server:
            before = server.resident
            for number in range(WARM_ROUNDS):
                for asked in self.warm.values():
                    # Other questions in each round: answers that are kept need no columns.
                    ask(server.ports[0], asked[number::WARM_ROUNDS][:600])
                sleep(1)
            yield server, before

    def run(self) -> dict[str, tuple[float, float]]:
        """The rate of each row when it is new and when it is cached; for memory, after and before."""
        found = {}
        with self.warm_gateway() as (server, before):
            for name, asked in self.asked.items():
                first = ask(server.ports[0], asked)
                kept = [ask(server.ports[0], asked) for _ in range(3)]
                found[name] = first, statistics.median(kept)
            found["memory of serve after all of it, MiB"] = server.resident, before
        return found

    def through_the_service(self, seconds: float) -> tuple[float, float]:
        """Dynamics a second in one thread, and those of the FastAPI service with one worker."""
        started = perf_counter()
        for day in self.days:
            for code in self.codes:
                ark_stock_dynamic(self.questions, Security.parse(code), day)
        ours = len(self.days) * len(self.codes) / (perf_counter() - started)
        over_http = [Question(path=f"/ark/{code}?as_of={day}") for day in self.days for code in self.codes]
        with web_service(Path(self.url.removeprefix("sqlite:///")), PORT):
            plan = Plan("http", PORT, tuple(over_http), 8, 1, seconds, greet=False)
            return ours, generate(plan).rate

    def idle(self) -> float:
        """Percent of a core that an idle gateway takes."""
        with self.warm_gateway() as (server, _):
            before = server.cpu_seconds
            sleep(IDLE_SECONDS)
            return 100 * (server.cpu_seconds - before) / IDLE_SECONDS


def one_more_day(folder: Path, runs: int) -> list[tuple[float, float]]:
    """Milliseconds of processor time to add a day's book to five years in memory, and to none."""
    reference, found = load_reference(), []
    paths = write_files(folder)
    lines = {path: path.read_text().splitlines(keepends=True) for path in paths}
    days = sorted(
        {line.split(",", 1)[0] for line in lines[paths[0]][1:]}, key=lambda text: text[6:] + text[:5]
    )

    def write(name: str, wanted: Sequence[str]) -> list[Path]:
        chosen, made = set(wanted), []
        for path, rows in lines.items():
            part = folder / f"{name}-{path.name}"
            part.write_text("".join([rows[0], *(row for row in rows[1:] if row.split(",", 1)[0] in chosen)]))
            made.append(part)
        return made

    full = Store.open(f"sqlite:///{folder / 'years.db'}")
    load(full, reference, write("years", days[:-runs]), any_book=True)
    cache = ColumnCache(full)
    _read(cache)
    for run in range(runs):
        load(full, reference, write(f"day{run}", [days[run - runs]]), any_book=True)
        more = _read(cache)
        alone = Store.open(f"sqlite:///{folder / f'alone{run}.db'}")
        load(alone, reference, write(f"alone{run}", days[:1]), any_book=True)
        first = ColumnCache(alone)
        found.append((more, _read(first)))
        first.close()
        alone.close()
    cache.close()
    full.close()
    return found


def _read(cache: ColumnCache) -> float:
    """Milliseconds until all columns are current."""
    started = perf_counter()
    for kind in KINDS:
        assert cache.prepared(kind) is not None
    return 1000 * (perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--postgresql", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = load_data(folder)
        if not arguments.postgresql:
            show("SQLite", past_table(Past(url), arguments.runs, one_more_day(folder, arguments.runs)))
            return
        with running_postgresql() as server:
            to = server.empty()
            Store.open(to).close()
            moved(url, to, folder)
            show("PostgreSQL", past_table(Past(to), arguments.runs, None))


Line = tuple[str, str, float, float, float, str]
GOALS = {
    "sqlite": {"3424": "0.5", "3423": "0.3", "3425": "0.3", "3426": "0.3", "memo": "at most 1.5"},
    # Half of SQLite's.
    "postgresql": {"3424": "0.3", "3423": "0.15", "3425": "0.15", "3426": "0.15", "memo": "at most 1.5"},
}


def past_table(past: Past, runs: int, days: list[tuple[float, float]] | None) -> list[Line]:
    """The lines of the table: work, comparison, both figures, the ratio, and the goal."""
    goals = GOALS[past.url.partition(":")[0]]
    lines: list[Line] = []
    found = [past.run() for _ in range(runs)]
    for name in found[0]:
        beside = "before" if name.startswith("memory") else "the same, kept"
        lines.append(_line(name, beside, [run[name] for run in found], goals[name[:4]]))
    if past.url.startswith("sqlite"):
        services = [past.through_the_service(2.0) for _ in range(min(runs, 3))]
        lines.append(_line("3424 through the service, one thread", "FastAPI, one worker", services, "100"))
    if days is not None:
        lines.append(_line("one more day into five years, ms", "the first day alone", days, "at most 1.5"))
    lines.append(("an idle gateway, % of a core", "", past.idle(), float("nan"), float("nan"), "0.1"))
    return lines


def _line(name: str, beside: str, pairs: Sequence[tuple[float, float]], goal: str) -> Line:
    ours, others = (statistics.median(pair[place] for pair in pairs) for place in (0, 1))
    return name, beside, ours, others, statistics.median(one / other for one, other in pairs), goal


def show(engine: str, lines: Sequence[Line]) -> None:
    table = Table(title=f"The past, {engine}: answers a second")
    for column in ("work", "beside", "", "beside", "ratio", "goal"):
        table.add_column(column, justify="left" if column == "work" else "right")
    for name, beside, ours, others, ratio, goal in lines:
        shown = ("" if one != one else f"{one:,.2f}" for one in (ours, others, ratio))
        table.add_row(name, beside, *shown, goal)
    Console(highlight=False, width=140).print(table)


if __name__ == "__main__":
    main()
