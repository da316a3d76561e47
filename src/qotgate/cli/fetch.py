"""``qotgate fetch``: download what is published, keep it as it came, and load it.

``fetch ark`` and ``fetch ratings`` differ in what they ask for; a round, and its repetition, is one.
"""

import re
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Annotated

import platformdirs
import typer
from pydantic import SecretStr
from rich.progress import Progress

from qotgate.cli.console import new_console
from qotgate.cli.load import load
from qotgate.cli.options import Database, Tables
from qotgate.model import ETFS, Market, QotGateError, Security
from qotgate.model.version import __version__
from qotgate.service.reference import load_reference
from qotgate.serving.opening import open_store
from qotgate.serving.settings import CONFIG_FILE, Settings, read_settings, user_folder
from qotgate.sources.fetching import ark as ark_files
from qotgate.sources.fetching import ratings as rating_files
from qotgate.sources.fetching import yahoo
from qotgate.sources.fetching.client import Client, Key
from qotgate.sources.fetching.files import Job, Outcome, Status, Wanted, fetch
from qotgate.sources.fetching.kept import Kept
from qotgate.store.database import parsed_url

USER_AGENT = f"qotgate/{__version__} (self-hosted gateway for ARK holdings and analyst ratings)"
NOTHING_FETCHED = 1
PROVIDERS = ("yfinance", "fmp", "benzinga")
SECONDS = {"m": 60, "h": 3600, "d": 86400}
CODE = re.compile(r"[A-Z0-9]+([.-][A-Z0-9]+)*")

BaseUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="Ask there instead of the publisher.", show_default=False)
]
Folder = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Keep files there; `fetched` beside the database unless given.",
        show_default=False,
    ),
]
Every = Annotated[
    str | None,
    typer.Option(metavar="30m|6h|1d", help="Keep running, and fetch this often.", show_default=False),
]
NoLoad = Annotated[bool, typer.Option("--no-load", help="Keep the files, and load them another time.")]

app = typer.Typer(
    help="Download what is published, and load it.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.command()
def ark(
    funds: Annotated[
        str | None,
        typer.Option(
            metavar="FUND,...",
            help="Funds, or FUND=FILE where ARK has renamed a file; those of the configuration unless given, "
            "else the eight ETFs that holdings are summed over.",
            show_default=False,
        ),
    ] = None,
    base_url: BaseUrl = None,
    folder: Folder = None,
    every: Every = None,
    no_load: NoLoad = False,
    db: Database = None,
    tables: Tables = None,
) -> None:
    """Download the ARK funds' holdings, as published for the day, and load them."""
    settings = read_settings(db=db, tables=tables)
    period = read_period(every)
    home = base_url or ark_files.BASE_URL
    named = settings.named_funds if funds is None else _listed(funds)
    wanted = ark_files.wanted(named or ETFS, home)
    with Client(home, USER_AGENT) as client:
        _run(settings, "ark", _jobs(client, wanted), folder, period, loads=not no_load)


@app.command()
def ratings(
    symbols: Annotated[str, typer.Option(metavar="US.AAPL,CA.SHOP,...", help="Securities.")],
    provider: Annotated[str, typer.Option(metavar="|".join(PROVIDERS), help="Whom to ask.")] = "yfinance",
    base_url: BaseUrl = None,
    folder: Folder = None,
    every: Every = None,
    no_load: NoLoad = False,
    db: Database = None,
    tables: Tables = None,
) -> None:
    """Download analyst notes on securities, and load them.

    yfinance is an optional package; fmp and benzinga need a key, in the option fmp_key or benzinga_key: in
    QOTGATE_FMP_KEY or QOTGATE_BENZINGA_KEY, the folder of secrets, or the TOML file.
    """
    settings = read_settings(db=db, tables=tables)
    period = read_period(every)
    securities = read_symbols(symbols)
    run = partial(_run, settings, provider, folder=folder, period=period, loads=not no_load)
    if provider == "yfinance":
        if base_url is not None:
            raise QotGateError("--base-url is for fmp and benzinga; yfinance has no such choice.")
        run(yahoo.jobs(securities))
    elif provider == "fmp":
        home = base_url or rating_files.FMP
        key = rating_files.fmp_key(_key("FMP", "fmp_key", settings.fmp_key))
        _run_with_key(run, home, key, rating_files.fmp_wanted(securities, home))
    elif provider == "benzinga":
        home = base_url or rating_files.BENZINGA
        key = rating_files.benzinga_key(_key("Benzinga", "benzinga_key", settings.benzinga_key))
        _run_with_key(run, home, key, rating_files.benzinga_wanted(securities, home))
    else:
        raise QotGateError(f"--provider takes {', '.join(PROVIDERS)}, not {provider!r}.")


def _run_with_key(
    run: Callable[[Sequence[Job]], None], home: str, key: Key, wanted: Sequence[Wanted]
) -> None:
    with Client(home, USER_AGENT, key=key) as client:
        run(_jobs(client, wanted))


def _jobs(client: Client, wanted: Sequence[Wanted]) -> list[Job]:
    return [partial(fetch, client, one) for one in wanted]


def _listed(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def read_symbols(text: str) -> list[Security]:
    """The securities in a list with commas. Raises QotGateError."""
    securities = [Security.parse(part, "--symbols") for part in _listed(text)]
    for security in securities:
        if security.market not in (Market.US, Market.CA) or not CODE.fullmatch(security.code):
            raise QotGateError(f"--symbols takes US and CA securities such as US.AAPL, not {security}.")
    if not securities:
        raise QotGateError("--symbols takes securities such as US.AAPL,CA.SHOP.")
    return list(dict.fromkeys(securities))


def read_period(text: str | None) -> float | None:
    """Seconds between rounds, of ``30m``, ``6h`` or ``1d``. Raises QotGateError."""
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,4})([mhd])", text.strip().lower())
    if found is None:
        raise QotGateError(f"--every takes a time such as 30m, 6h or 1d, not {text!r}.")
    return float(found[1]) * SECONDS[found[2]]


def _key(name: str, option: str, key: SecretStr | None) -> str:
    value = key.get_secret_value().strip() if key else ""
    if not value:
        variable = f"QOTGATE_{option.upper()}"
        raise QotGateError(
            f"{name} needs a key: put yours in the variable {variable}, in a file of that name in the folder "
            f"of secrets, or as {option} in {CONFIG_FILE}."
        )
    if not (value.isascii() and value.isprintable()):
        raise QotGateError(f"{option} has characters that no key has.")
    return value


def _run(
    settings: Settings,
    publisher: str,
    jobs: Sequence[Job],
    folder: Path | None,
    period: float | None,
    *,
    loads: bool,
) -> None:
    """One round, or rounds without end; wrong options end it before anything is asked for."""
    if loads:
        load_reference(settings.tables)
        with open_store(settings):
            pass
    place = (folder or _beside(settings.db)).absolute() / publisher
    one_round = partial(_round, settings, place, jobs, loads=loads)
    if period is not None:
        repeat(one_round, period)
    elif not one_round():
        raise typer.Exit(NOTHING_FETCHED)


def _beside(db: str) -> Path:
    """The folder of fetched files beside a database file, or where data goes if it is not one."""
    url = parsed_url(db)
    if url is not None and url.drivername == "sqlite" and url.database:
        return Path(url.database).parent / "fetched"
    return user_folder(platformdirs.user_data_path) / "fetched"


def _round(settings: Settings, place: Path, jobs: Sequence[Job], *, loads: bool) -> bool:
    """Fetch it all, then load it; whether anything was there. Raises QotGateError."""
    errors = new_console(stderr=True)
    outcomes: list[Outcome] = []
    try:
        with Kept.open(place) as kept:
            with Progress(console=errors, disable=not errors.is_terminal, transient=True) as progress:
                for job in progress.track(jobs, description="Fetching"):
                    outcomes += job(kept)
            for outcome in outcomes:
                typer.echo(_line(outcome))
            here = [outcome.path for outcome in outcomes if outcome.path is not None]
            paths = list(dict.fromkeys([*kept.waiting(), *here]))
            if loads and paths:
                with suppress(typer.Exit):  # its status is about the load, ours about the fetch
                    load(paths, db=settings.db, tables=settings.tables)
                kept.loaded(paths)
    except OSError as error:
        raise QotGateError(f"{error.filename or place} cannot be used: {error.strerror}.") from error
    return any(outcome.status is not Status.FAILED for outcome in outcomes)


def _line(outcome: Outcome) -> str:
    said = {
        Status.FETCHED: f"fetched, {outcome.path}",
        Status.UNCHANGED: f"unchanged, {outcome.path}",
        Status.EMPTY: "nothing is published",
        Status.FAILED: f"failed: {outcome.reason}.",
    }
    return f"{outcome.title}: {said[outcome.status]}"


def repeat(
    one_round: Callable[[], object],
    period: float,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """A round each ``period`` seconds until Ctrl-C or SIGTERM; one that fails is told, and not the last."""
    stopped = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        # Where Python runs a finalizer it drops the exception, and the round goes on.
        nonlocal stopped
        stopped = True
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        while not stopped:
            started = clock()
            try:
                one_round()
            except QotGateError as error:
                typer.echo(f"qotgate: {error}", err=True)
            if not stopped:
                sleep(max(0.0, started + period - clock()))
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    typer.echo("Stopped.", err=True)
