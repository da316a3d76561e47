"""A database on PostgreSQL: reachable, ours, writable, with free connections, and its clock."""

import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from qotgate.doctor import machine
from qotgate.doctor.finding import Finding, fail, ok, warn
from qotgate.doctor.revisions import revision_findings
from qotgate.model import StoreError
from qotgate.store.database import Store
from qotgate.store.faults import told
from qotgate.store.postgresql import ENCODING, ENCODING_ADVICE
from qotgate.store.tables import METADATA

CHECK = "database"
VERSION_LEAST = 13
LOCAL = ("", "localhost", "127.0.0.1", "::1")
LAG_MOST = 60.0
"""Seconds that a standby may lag."""
USED_MOST = 0.8
"""Share of the server's connections in use that is worth a finding."""


def database(url: URL) -> Iterator[Finding]:
    """Findings about the database at ``url``. Raises StoreError if it cannot be reached."""
    store = Store.unopened(url.render_as_string(hide_password=False))
    try:
        with store.engine.connect() as connection:
            yield from _look(store.name, url, connection)
    except DBAPIError as error:
        raise StoreError(f"The database {store.name} cannot be used: {told(error)}") from error
    finally:
        store.close()


def _look(name: str, url: URL, connection: Connection) -> Iterator[Finding]:
    version = int(_ask(connection, "SHOW server_version_num")) // 10_000
    number = _ask(connection, "SHOW server_version")
    if version < VERSION_LEAST:
        yield fail(CHECK, f"{name} runs PostgreSQL {number}.", f"Upgrade it to {VERSION_LEAST} or newer.")
    else:
        yield ok(CHECK, f"{name} runs PostgreSQL {number}.")
    encoding = _ask(connection, "SHOW server_encoding")
    if encoding != ENCODING:
        yield fail(
            CHECK,
            f"{name} has the encoding {encoding}, which does not keep every text.",
            f"qotgate backup FILE, {ENCODING_ADVICE}, and qotgate restore FILE into that.",
        )
    there = _ask(connection, "SELECT to_regclass('alembic_version') IS NOT NULL")
    revision = _ask(connection, "SELECT version_num FROM alembic_version") if there else None
    standby = bool(_ask(connection, "SELECT pg_is_in_recovery()"))
    if revision is None and not standby:
        yield warn(
            CHECK, f"{name} has no tables yet.", "qotgate load FOLDER, or qotgate fetch ark, makes them."
        )
    else:
        yield from revision_findings(name, revision)
    if standby:
        yield from _standby(name, connection)
    else:
        yield from _rights(name, connection, made=revision is not None)
    yield from _connections(name, connection)
    if url.host not in LOCAL and not (url.host or "").startswith("/"):
        if _ask(connection, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"):
            yield ok(CHECK, f"The way to {name} is encrypted.")
        else:
            yield warn(
                CHECK,
                f"The way to {name} is not encrypted.",
                "Add ?sslmode=verify-full to the URL, unless the network is your own.",
            )
    asked = time.time()
    theirs = float(_ask(connection, "SELECT extract(epoch FROM clock_timestamp())"))
    yield from machine.same_clock(name, asked, theirs, time.time() - asked)


def _standby(name: str, connection: Connection) -> Iterator[Finding]:
    lag = _ask(
        connection,
        "SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0 "
        "ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp()) END",
    )
    found = f"{name} is a standby server: gateways can read it, and loads cannot write to it"
    if lag is not None and float(lag) > LAG_MOST:
        yield warn(CHECK, f"{found}; it is {float(lag):,.0f} s behind.", "Check its replication.")
    else:
        yield ok(CHECK, f"{found}.")


def _rights(name: str, connection: Connection, *, made: bool) -> Iterator[Finding]:
    if _ask(connection, "SELECT current_schema()") is None:
        yield fail(
            CHECK,
            f"No schema of the search_path of {name} is there.",
            "CREATE SCHEMA, AUTHORIZATION the user, or correct the search_path.",
        )
        return
    lacking = []
    if not _ask(connection, "SELECT has_schema_privilege(current_schema(), 'CREATE')"):
        lacking.append("CREATE in its schema")
    if made:
        for table in METADATA.sorted_tables:
            for right in ("SELECT", "INSERT", "UPDATE", "DELETE"):
                asked = text("SELECT has_table_privilege(:table, :right)")
                if not connection.scalar(asked, {"table": f'"{table.name}"', "right": right}):
                    lacking.append(f"{right} on {table.name}")
    if lacking:
        shown = ", ".join(lacking[:5]) + (" and more" if len(lacking) > 5 else "")
        yield fail(
            CHECK,
            f"The user of {name} has no right to {shown}.",
            "Have the tables' owner load and upgrade, or GRANT it; gateways alone take SELECT.",
        )
    elif _ask(connection, "SHOW default_transaction_read_only") == "on":
        yield fail(
            CHECK,
            f"{name} takes no writing: default_transaction_read_only is on.",
            "ALTER DATABASE, or the user, RESET default_transaction_read_only; gateways alone do without.",
        )
    else:
        yield ok(CHECK, f"The user of {name} may load and upgrade.")


def _connections(name: str, connection: Connection) -> Iterator[Finding]:
    used = int(
        _ask(connection, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    )
    most = int(_ask(connection, "SHOW max_connections"))
    if used > USED_MOST * most:
        yield warn(
            CHECK,
            f"{name} has {used} of its {most} connections in use.",
            "Raise max_connections, or run fewer gateways and workers.",
        )
    else:
        yield ok(CHECK, f"{name} has {used} of its {most} connections in use.")


def _ask(connection: Connection, statement: str) -> Any:
    return connection.scalar(text(statement))
