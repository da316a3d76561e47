"""``qotgate fetch``: downloads publications, stores them unchanged, and loads them.

``fetch ark`` and ``fetch ratings`` differ in what they download, and ``fetch all`` does both; all of them
share one round and its schedule.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click
import platformdirs
from click.exceptions import Exit
from rich.progress import Progress

from qotgate.cli import options
from qotgate.cli.console import new_console
from qotgate.cli.groups import Group
from qotgate.cli.load import load_into
from qotgate.cli.schedule import read_schedule, repeat
from qotgate.cli.words import say
from qotgate.model import ETFS, ArkFundHoldingSortField, Market, NothingLoaded, QotGateError, Security
from qotgate.model.version import __version__
from qotgate.protocol.interface import FUND_HOLDINGS
from qotgate.service.ark.lists import fund_holdings
from qotgate.service.reference import load_reference
from qotgate.serving.kinds import Secret
from qotgate.serving.opening import open_questions, open_store
from qotgate.serving.settings import CONFIG_FILE, Settings, read_settings, user_folder
from qotgate.sources.fetching import ark as ark_files
from qotgate.sources.fetching import ratings as rating_files
from qotgate.sources.fetching import yahoo
from qotgate.sources.fetching.client import Client, Key
from qotgate.sources.fetching.files import Job, Outcome, Status, Wanted, fetch
from qotgate.sources.fetching.folder import FetchFolder
from qotgate.store import reads
from qotgate.store.database import parsed_url
from qotgate.store.sqlite import file_of

USER_AGENT = f"qotgate/{__version__} (self-hosted gateway for ARK holdings and analyst ratings)"
NOTHING_FETCHED = 1
PROVIDERS = ("yfinance", "fmp", "benzinga")
HELD = "held"
"""Instead of symbols: the securities that the ARK funds hold."""
CODE = re.compile(r"[A-Z0-9]+([.-][A-Z0-9]+)*")

app = Group("fetch", help="Download publications, and load them.")
base_url = click.option("--base-url", metavar="URL", help="Address to use instead of the publisher's.")
ark_funds = click.option(
    "--funds",
    metavar="FUND,...",
    help="Funds, or FUND=FILE if ARK has renamed a file; default those of the configuration, "
    "else the eight ETFs that holdings are summed over.",
)
provider = click.option(
    "--provider", default="yfinance", show_default=True, metavar="|".join(PROVIDERS), help="The provider."
)
a_round = options.together(
    click.option(
        "--folder",
        type=options.PATH,
        metavar="DIR",
        help="Folder for the files; default `fetched` next to the database.",
    ),
    click.option("--every", metavar="30m|6h|1d", help="Keep running, and fetch this often."),
    click.option("--at", metavar="HH:MM", help="Keep running: fetch now, then each day at this time."),
    click.option(
        "--tz",
        metavar="ZONE",
        help="The time zone of --at, such as America/New_York; default the machine's own.",
    ),
    click.option("--no-load", is_flag=True, help="Only download; load the files another time."),
    options.db,
    options.tables,
)
"""What a round takes, whatever it downloads."""

Source = tuple[str, Callable[[], AbstractContextManager[Sequence[Job]]]]
"""The folder of downloads, and a function that opens the jobs of a round."""


@app.command()
@ark_funds
@base_url
@a_round
def ark(funds: str | None, base_url: str | None, **given: Any) -> None:
    """Download the ARK funds' holdings, as published for the day, and load them."""
    _run(lambda settings: [_ark(settings, funds, base_url)], **given)


@app.command()
@click.option(
    "--symbols",
    required=True,
    metavar="US.AAPL,CA.SHOP,...",
    help="Securities, or `held` for ARK's holdings.",
)
@provider
@base_url
@a_round
def ratings(symbols: str, provider: str, base_url: str | None, **given: Any) -> None:
    """Download analyst notes on securities, and load them.

    yfinance is an optional package; fmp and benzinga need a key, in the option fmp_key or benzinga_key: in
    QOTGATE_FMP_KEY or QOTGATE_BENZINGA_KEY, the folder of secrets, or the TOML file.
    """
    _run(lambda settings: [_ratings(settings, symbols, provider, base_url)], **given)


@app.command("all")
@click.option(
    "--symbols",
    default=HELD,
    show_default=True,
    metavar="US.AAPL,CA.SHOP,...",
    help="Securities with notes; default ARK's holdings.",
)
@provider
@ark_funds
@a_round
def everything(symbols: str, provider: str, funds: str | None, **given: Any) -> None:
    """Download the ARK funds' holdings, then analyst notes, and load them."""
    _run(lambda settings: [_ark(settings, funds, None), _ratings(settings, symbols, provider, None)], **given)


def _ark(settings: Settings, funds: str | None, base_url: str | None) -> Source:
    home = base_url or ark_files.BASE_URL
    named = settings.named_funds if funds is None else _listed(funds)
    wanted = ark_files.wanted(named or ETFS, home)
    return "ark", partial(_asked, home, wanted, None)


def _ratings(settings: Settings, symbols: str, provider: str, base_url: str | None) -> Source:
    """Raises QotGateError, before any request."""
    securities = partial(_held, settings) if symbols == HELD else partial(list, read_symbols(symbols))
    if provider == "yfinance":
        if base_url is not None:
            raise QotGateError("--base-url is for fmp and benzinga; yfinance has no such choice.")
        yahoo.jobs([])
        return provider, lambda: nullcontext(yahoo.jobs(securities()))
    if provider == "fmp":
        home = base_url or rating_files.FMP
        key = rating_files.fmp_key(_key("FMP", "fmp_key", settings.fmp_key))
        return provider, lambda: _asked(home, rating_files.fmp_wanted(securities(), home), key)
    if provider == "benzinga":
        home = base_url or rating_files.BENZINGA
        key = rating_files.benzinga_key(_key("Benzinga", "benzinga_key", settings.benzinga_key))
        return provider, lambda: _asked(home, rating_files.benzinga_wanted(securities(), home), key)
    raise QotGateError(f"--provider takes {', '.join(PROVIDERS)}, not {provider!r}.")


@contextmanager
def _asked(home: str, wanted: Sequence[Wanted], key: Key | None) -> Iterator[Sequence[Job]]:
    with Client(home, USER_AGENT, key=key) as client:
        yield [partial(fetch, client, one) for one in wanted]


def _held(settings: Settings) -> list[Security]:
    """The ARK funds' holdings in markets with notes, the largest position first. Raises QotGateError if
    nothing is loaded."""
    found: list[Security] = []
    with open_questions(settings) as questions:
        by_value, page = ArkFundHoldingSortField.MARKET_VALUE, None
        try:
            while True:
                answer = fund_holdings(questions, sort_field=by_value, count=FUND_HOLDINGS.most, page=page)
                found += [row.security for row in answer.rows if row.security is not None]
                page = answer.next_page
                if page is None:
                    break
        except NothingLoaded:
            # The trading day of a fund's first file is unknown; the securities in it count as held.
            with questions.store.reading() as connection:
                known = reads.securities.known_codes(connection)
            found = [Security.parse(code) for code, (_, in_ark, _) in sorted(known.items()) if in_ark]
            if not found:
                raise
    return [one for one in dict.fromkeys(found) if _has_notes(one)]


def _has_notes(security: Security) -> bool:
    return security.market in (Market.US, Market.CA) and bool(CODE.fullmatch(security.code))


def _listed(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def read_symbols(text: str) -> list[Security]:
    """The securities in a list separated by commas. Raises QotGateError."""
    securities = [Security.parse(part, "--symbols") for part in _listed(text)]
    for security in securities:
        if not _has_notes(security):
            raise QotGateError(f"--symbols takes US and CA securities such as US.AAPL, not {security}.")
    if not securities:
        raise QotGateError("--symbols takes securities such as US.AAPL,CA.SHOP.")
    return list(dict.fromkeys(securities))


def _key(name: str, option: str, key: Secret | None) -> str:
    value = key.value.strip() if key else ""
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
    sources_of: Callable[[Settings], Sequence[Source]],
    *,
    folder: Path | None,
    every: str | None,
    at: str | None,
    tz: str | None,
    no_load: bool,
    **flags: Any,
) -> None:
    """One round, or repeated rounds; wrong options end it before any request."""
    settings = read_settings(**flags)
    schedule = read_schedule(every, at, tz)
    sources = sources_of(settings)
    loads = not no_load
    if loads:
        load_reference(settings.tables)
        with open_store(settings):
            pass
    place = (folder or _beside(settings.db)).absolute()

    def one_round() -> bool:
        there = [_round(settings, place / name, jobs, loads=loads) for name, jobs in sources]
        return any(there)

    if schedule is not None:
        repeat(one_round, schedule)
    elif not one_round():
        said = (
            "Nothing was fetched; the lines above say why. To load files that you have: qotgate load FOLDER."
        )
        click.echo(say(said), err=True)
        raise Exit(NOTHING_FETCHED)


def _beside(db: str) -> Path:
    """The folder for downloads next to a database file, or in the data folder for other databases."""
    file = file_of(parsed_url(db))
    return (user_folder(platformdirs.user_data_path) if file is None else file.parent) / "fetched"


def _round(
    settings: Settings,
    place: Path,
    open_jobs: Callable[[], AbstractContextManager[Sequence[Job]]],
    *,
    loads: bool,
) -> bool:
    """Download everything, then load it. Returns whether there was anything to load. Raises QotGateError."""
    errors = new_console(stderr=True)
    outcomes: list[Outcome] = []
    try:
        with FetchFolder.open(place) as kept, open_jobs() as jobs:
            with Progress(console=errors, disable=not errors.is_terminal, transient=True) as progress:
                for job in progress.track(jobs, description=say("Fetching")):
                    outcomes += job(kept)
            for outcome in outcomes:
                click.echo(_line(outcome))
            here = [outcome.path for outcome in outcomes if outcome.path is not None]
            paths = list(dict.fromkeys([*kept.waiting(), *here]))
            if loads and paths:
                load_into(settings, paths)
                kept.loaded(paths)
    except OSError as error:
        raise QotGateError(f"{error.filename or place} cannot be used: {error.strerror}.") from error
    return any(outcome.status is not Status.FAILED for outcome in outcomes)


def _line(outcome: Outcome) -> str:
    said = {
        Status.FETCHED: "{title}: fetched, {path}",
        Status.UNCHANGED: "{title}: unchanged, {path}",
        Status.EMPTY: "{title}: nothing is published",
        Status.FAILED: "{title}: failed: {reason}.",
    }
    return say(said[outcome.status], title=outcome.title, path=outcome.path, reason=outcome.reason)
