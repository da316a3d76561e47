"""``qotgate doctor``: checks everything that the gateway depends on, and suggests remedies."""

import json
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any

import click
from click.exceptions import Exit
from rich.text import Text

from qotgate.cli import options
from qotgate.cli.console import Console, new_console
from qotgate.doctor import Finding, Level, databases, keys, limits, machine, ports
from qotgate.doctor.finding import fail, looked, ok, warn
from qotgate.doctor.upstream import upstream as upstream_findings
from qotgate.limits.window import RateLimit
from qotgate.model import QotGateError
from qotgate.service.reference import load_reference
from qotgate.serving.gateway_options import OTHER_FILES, gateway_options
from qotgate.serving.settings import (
    CONFIG_FILE,
    OPTIONS,
    SECRET,
    Settings,
    misspelt_variables,
    read_settings,
    secrets_folder,
)
from qotgate.serving.upstream_options import opend_options
from qotgate.serving.web_options import web_options
from qotgate.store.database import parsed_url

FAILED = 1
COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


@click.command()
@click.option("--thorough", is_flag=True, help="Read all of the database, which takes longer.")
@click.option("--upstream", metavar="HOST:PORT", help="Check this OpenD; default the configured one, if any.")
@click.option("--upstream-rsa-key", type=options.PATH, metavar="FILE", help="Its RSA key (PKCS#1 PEM).")
@options.as_json
@options.db
@options.tables
def doctor(thorough: bool, as_json: bool, **flags: Any) -> None:
    """Check configuration, keys, database, limit store, clock, ports and freshness of the data, and suggest
    remedies. Exit status 1 if a check fails.

    The options are those that `qotgate serve` takes from variables and the configuration file.
    """
    try:
        settings = read_settings(**flags)
    except QotGateError as error:
        findings: Iterable[Finding] = [
            fail("configuration", str(error), f"Correct the variable, or the line in {CONFIG_FILE}.")
        ]
    else:
        findings = _findings(settings, thorough=thorough)
    worst = Level.OK
    told = []
    console = new_console()
    for finding in findings:
        if finding.level is Level.FAIL or worst is Level.OK:
            worst = finding.level
        told.append(finding)
        if not as_json:
            _print(console, finding)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in told], ensure_ascii=False, indent=2))
    else:
        counts = {level: sum(finding.level is level for finding in told) for level in Level}
        console.print(
            f"{counts[Level.FAIL]} failed, {counts[Level.WARN]} to look at, {counts[Level.OK]} in order."
        )
    if worst is Level.FAIL:
        raise Exit(FAILED)


def _print(console: Console, finding: Finding) -> None:
    line = Text.assemble(
        (f"{finding.level:<4}", COLOURS[finding.level]), f" {finding.check}: {finding.found}"
    )
    console.print(line, soft_wrap=True)
    if finding.mend:
        console.print(Text(f"     -> {finding.mend}"), soft_wrap=True)


def _findings(settings: Settings, *, thorough: bool) -> Iterator[Finding]:
    looks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("configuration", lambda: _configuration(settings)),
        ("secrets", _secrets),
        ("RSA key", lambda: keys.rsa_key(settings.rsa_key) if settings.rsa_key else ()),
        ("certificate", lambda: _certificate(settings)),
        ("versions", lambda: machine.versions(_packages(settings))),
        ("open files", lambda: machine.open_files(settings.max_connections + OTHER_FILES)),
        ("clock", machine.clock),
        ("time zones", machine.time_zones),
        ("ports", lambda: _ports(settings)),
        ("upstream", lambda: _upstream(settings)),
        ("limit store", lambda: _limit_store(settings)),
        ("database", lambda: databases.database(settings.db, settings.funds, thorough=thorough)),
    ]
    for check, look in looks:
        yield from looked(check, look)


def _configuration(settings: Settings) -> Iterator[Finding]:
    """Errors that `serve` would refuse to start with."""
    place = str(CONFIG_FILE) if CONFIG_FILE.exists() else f"{CONFIG_FILE} (not there)"
    if folder := secrets_folder():
        place += f" and the secrets in {folder}"
    for name, near in misspelt_variables(os.environ):
        yield warn(
            "configuration",
            f"The variable {name} is no option of qotgate, and has no effect.",
            f"Name it {near}, if that is meant, or remove it." if near else "Remove it.",
        )
    gateway_options(settings)
    web_options(settings)
    load_reference(settings.tables)
    yield ok("configuration", f"`qotgate serve` takes the options; beside variables they come from {place}.")


def _secrets() -> Iterator[Finding]:
    """The files with secret options."""
    if CONFIG_FILE.exists():
        options = tomllib.loads(CONFIG_FILE.read_text(encoding="utf-8"))
        if any(option in SECRET and _is_secret(str(value)) for option, value in options.items()):
            yield from keys.secret_file("secrets", CONFIG_FILE)
    folder = secrets_folder()
    for path in sorted(folder.iterdir()) if folder else ():
        if path.is_file() and path.name.lower().removeprefix("qotgate_") in OPTIONS:
            yield from keys.secret_file("secrets", path)


def _is_secret(value: str) -> bool:
    """Whether an option's value is secret: a URL only with a password."""
    parsed = parsed_url(value)
    return parsed is None or parsed.password is not None


def _certificate(settings: Settings) -> Iterator[Finding]:
    if settings.websocket_cert is not None:
        yield from keys.certificate(settings.websocket_cert)
    if settings.websocket_private_key is not None:
        yield from keys.secret_file("certificate", settings.websocket_private_key)


def _packages(settings: Settings) -> dict[str, str]:
    """The extra packages that the options need, and the option that needs each."""
    needed = {}
    if settings.db.startswith("postgres"):
        needed["psycopg"] = "--db postgresql://..."
    if settings.limit_store is not None:
        needed["redis"] = "--limit-store"
    return needed


def _limit_store(settings: Settings) -> Iterator[Finding]:
    limit = RateLimit.parse(settings.rate_limit)
    if settings.limit_store is not None and limit is not None:
        yield from limits.limit_store(settings.limit_store.value, limit)


def _upstream(settings: Settings) -> Iterator[Finding]:
    options = opend_options(settings)
    if options is not None:
        yield from upstream_findings(options)
        if settings.upstream_rsa_key is not None:
            yield from keys.secret_file("upstream", settings.upstream_rsa_key)


def _ports(settings: Settings) -> Iterator[Finding]:
    yield from ports.port("port", settings.host, settings.port)
    if settings.websocket_port is not None:
        yield from ports.port("websocket_port", settings.websocket_host, settings.websocket_port)
    if not settings.no_http:
        options = web_options(settings)
        yield from ports.port("http_port", options.host, options.port)
