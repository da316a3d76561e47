"""``qotgate doctor``: each finding and its remedy, in real conditions."""

import datetime
import ipaddress
import json
import os
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from qotgate.cli import doctor as doctor_command
from qotgate.cli.main import main
from qotgate.doctor import keys, machine
from qotgate.doctor.freshness import freshness
from qotgate.protocol.cipher import RsaKey
from qotgate.service.loading import find_files, load
from qotgate.service.reference import Reference
from qotgate.serving import settings
from qotgate.store import Store, references
from tests.support.certificates import certificate
from tests.support.databases import PostgreSQL
from tests.support.limit_stores import StoreServer
from tests.support.opend import scripted_opend
from tests.support.parts import faketime_library
from tests.support.paths import SAMPLE
from tests.support.serving import QOTGATE, serving, serving_process
from tests.support.toolchains import in_pkcs8, rsa_key
from tests.support.wire import free_port

OK, WARN, FAIL = "ok", "warn", "fail"


class Doctor:
    """Runs the command in this process, with the test's own variables and configuration file."""

    def __init__(
        self, config: Path, url: str, monkeypatch: pytest.MonkeyPatch, output: pytest.CaptureFixture[str]
    ) -> None:
        self.config = config
        self._monkeypatch = monkeypatch
        self._output = output
        self.port = free_port()
        self._variables = {"PORT": str(self.port), "HTTP_PORT": str(free_port()), "DB": url}
        for module in (settings, doctor_command):
            monkeypatch.setattr(module, "CONFIG_FILE", config)

    def run(self, *arguments: str, **variables: str) -> tuple[int, str]:
        """The exit status and the output; ``variables`` are named without QOTGATE_."""
        with self._monkeypatch.context() as changed, pytest.raises(SystemExit) as ended:
            for name, value in {**self._variables, **variables}.items():
                changed.setenv(f"QOTGATE_{name}", value)
            main(["doctor", *arguments])
        told = self._output.readouterr()
        assert told.err == ""
        return int(ended.value.code or 0), told.out

    def findings(self, *arguments: str, **variables: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
        """The exit status, and the findings by check."""
        status, told = self.run("--json", *arguments, **variables)
        found: dict[str, list[dict[str, Any]]] = {}
        for finding in json.loads(told):
            assert finding["level"] in (OK, WARN, FAIL)
            assert bool(finding["mend"]) == (finding["level"] != OK), finding
            found.setdefault(finding["check"], []).append(finding)
        return status, found


@pytest.fixture
def doctor(
    tmp_path: Path,
    sample_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Doctor:
    return Doctor(tmp_path / "qotgate.toml", sample_url, monkeypatch, capsys)


def levels(findings: list[dict[str, Any]]) -> list[str]:
    return [finding["level"] for finding in findings]


def test_a_healthy_gateway_has_no_failure(doctor: Doctor, sample_url: str) -> None:
    status, found = doctor.findings("--thorough")
    assert status == 0
    here = ("disk",) if sample_url.startswith("sqlite") else ()
    for check in ("configuration", "versions", "open files", "time zones", "database", *here):
        assert set(levels(found[check])) == {OK}, found[check]
    # The sample is of 2026 and has two funds.
    assert WARN in levels(found["ARK"])
    assert any("ARKG" in finding["found"] for finding in found["ARK"])
    _, text = doctor.run()
    assert "ok   configuration: " in text
    assert "     -> qotgate fetch ark" in text
    assert "0 failed" in text.splitlines()[-1]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PORT": "many"}, "--port"),
        ({"RATE_LIMIT": "often"}, "--rate-limit"),
        ({"HTTP_HOST": "0.0.0.0"}, "--http-token"),
        ({"RSA_KEY": "/no/such.pem"}, "/no/such.pem"),
        ({"TABLES": "/no/such"}, "/no/such"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_options_that_serve_would_refuse(doctor: Doctor, variables: dict[str, str], said: str) -> None:
    status, found = doctor.findings(**variables)
    assert status == 1
    (finding,) = found["configuration"]
    assert finding["level"] == FAIL
    assert said in finding["found"]


class TestDatabase:
    def test_it_is_not_made(self, doctor: Doctor, tmp_path: Path) -> None:
        path = tmp_path / "folder" / "none.db"
        status, found = doctor.findings(DB=f"sqlite:///{path}")
        assert (status, levels(found["database"])) == (0, [WARN])
        assert not path.parent.exists()

    @pytest.fixture
    def copy(self, sample_file: Path, tmp_path: Path) -> Path:
        path = tmp_path / "copy.db"
        with closing(sqlite3.connect(sample_file)) as source, closing(sqlite3.connect(path)) as target:
            source.backup(target)
        return path

    def check(self, doctor: Doctor, path: Path, *arguments: str) -> dict[str, Any]:
        """The only finding about a database."""
        status, found = doctor.findings(*arguments, DB=f"sqlite:///{path}")
        wrong = [finding for finding in found["database"] if finding["level"] != OK]
        assert len(wrong) == 1
        assert status == (wrong[0]["level"] == FAIL)
        assert "ARK" not in found
        return wrong[0]

    def test_another_programs(self, doctor: Doctor, tmp_path: Path) -> None:
        path = tmp_path / "other.db"
        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE something (x)")
        assert "is not a database of qotgate" in self.check(doctor, path)["found"]

    def test_a_newer_one(self, doctor: Doctor, copy: Path) -> None:
        with closing(sqlite3.connect(copy)) as newer, newer:
            newer.execute("UPDATE alembic_version SET version_num = '9999'")
        assert "newer qotgate" in self.check(doctor, copy)["found"]

    def test_a_damaged_one(self, doctor: Doctor, copy: Path) -> None:
        content = bytearray(copy.read_bytes())
        for page in range(4, len(content) // 4096 - 1):
            content[page * 4096 : page * 4096 + 200] = bytes(200)
        copy.write_bytes(content)
        assert "restore" in self.check(doctor, copy)["mend"]

    @pytest.mark.parametrize(
        ("table", "column", "target"),
        [("holding", "file_id", "file"), *references.REFERENCES],
    )
    def test_a_row_that_names_nothing(
        self, doctor: Doctor, copy: Path, table: str, column: str, target: str
    ) -> None:
        with closing(sqlite3.connect(copy)) as changed, changed:
            changed.execute(f"UPDATE {table} SET {column} = 12345 WHERE id = 1")
        assert f"row 1 of {table} names no row of {target}" in self.check(doctor, copy, "--thorough")["found"]

    def test_one_that_a_load_holds(self, doctor: Doctor, copy: Path) -> None:
        with closing(sqlite3.connect(copy, isolation_level=None)) as busy:
            busy.execute("PRAGMA journal_mode=WAL")
            busy.execute("BEGIN IMMEDIATE")
            status, found = doctor.findings(DB=f"sqlite:///{copy}")
            assert status == 0
            assert "a load is at work" in found["database"][-1]["found"]


class TestPostgreSQL:
    def test_a_healthy_one(
        self, doctor: Doctor, postgresql: PostgreSQL, reference: Reference, tmp_path: Path
    ) -> None:
        url = postgresql.empty()
        status, found = doctor.findings(DB=url)
        assert (status, levels(found["database"])) == (0, [OK, WARN, OK, OK])
        assert postgresql.execute("SELECT to_regclass('note')", url.rpartition("/")[2]) == [(None,)]
        store = Store.open(url)
        load(store, reference, find_files([SAMPLE]))
        store.close()
        status, found = doctor.findings(DB=url)
        assert (status, set(levels(found["database"]))) == (0, {OK})
        assert "ARK" in found
        assert any("127.0.0.1" in finding["found"] for finding in found["clock"])

    def test_one_that_is_not_there(self, doctor: Doctor) -> None:
        status, found = doctor.findings(DB=f"postgresql://someone:hidden@127.0.0.1:{free_port()}/none")
        assert (status, levels(found["database"])) == (1, [FAIL])
        assert "hidden" not in str(found)

    def test_a_user_who_may_only_read(self, doctor: Doctor, postgresql: PostgreSQL) -> None:
        url = postgresql.new()
        name = url.rpartition("/")[2]
        postgresql.execute(f"CREATE ROLE reader_{name} LOGIN")
        postgresql.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_{name}", name)
        status, found = doctor.findings(DB=url.replace("qotgate@", f"reader_{name}@"))
        assert status == 1
        assert any("no right to" in finding["found"] for finding in found["database"])

    def test_one_that_takes_no_writing(self, doctor: Doctor, postgresql: PostgreSQL) -> None:
        url = postgresql.new()
        name = url.rpartition("/")[2]
        postgresql.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        status, found = doctor.findings(DB=url)
        assert status == 1
        assert any("takes no writing" in finding["found"] for finding in found["database"])

    def test_one_with_a_locked_table(self, doctor: Doctor, postgresql: PostgreSQL) -> None:
        url = postgresql.new()
        with psycopg.connect(url) as connection:
            connection.execute("LOCK TABLE note, state, alembic_version IN ACCESS EXCLUSIVE MODE")
            status, found = doctor.findings(DB=url)
        assert status == 1
        assert any("is in the way" in finding["found"] for finding in found["database"])

    def test_a_url_that_is_none(self, doctor: Doctor) -> None:
        for url in ("postgresql://me:hidden@127.0.0.1:many/none", "postgresql://me:x@hidden@127.0.0.1/none"):
            status, found = doctor.findings(DB=url)
            assert (status, levels(found["database"])) == (1, [FAIL])
            assert "%40" in found["database"][0]["mend"]
            assert "hidden" not in str(found)

    def test_an_encoding_that_does_not_keep_every_text(self, doctor: Doctor, postgresql: PostgreSQL) -> None:
        status, found = doctor.findings(DB=postgresql.empty(encoding="LATIN1"))
        assert status == 1
        (finding,) = [finding for finding in found["database"] if finding["level"] == FAIL]
        assert "has the encoding LATIN1" in finding["found"]
        assert "createdb --encoding=UTF8" in finding["mend"]

    def test_a_schema_that_is_not_there(self, doctor: Doctor, postgresql: PostgreSQL) -> None:
        status, found = doctor.findings(DB=f"{postgresql.empty()}?options=-csearch_path%3Dnowhere")
        assert status == 1
        assert any("No schema of the search_path" in finding["found"] for finding in found["database"])

    def test_a_standby(self, doctor: Doctor, postgresql_alone: PostgreSQL) -> None:
        name = postgresql_alone.new().rpartition("/")[2]
        with postgresql_alone.standby() as standby:
            status, found = doctor.findings(DB=standby.url(name))
        assert status == 0
        assert any("standby" in finding["found"] for finding in found["database"])


class TestLimitStore:
    def test_one_that_serves_and_one_that_does_not(self, doctor: Doctor, tmp_path: Path) -> None:
        server = StoreServer(tmp_path)
        status, found = doctor.findings(LIMIT_STORE=server.url)
        assert (status, levels(found["limit store"])) == (1, [FAIL])
        server.start()
        try:
            status, found = doctor.findings(LIMIT_STORE=server.url)
            assert (status, levels(found["limit store"])) == (0, [OK])
            assert any("redis" in finding["found"] for finding in found["clock"])
            server.client().config_set("maxmemory-policy", "allkeys-lru")
            assert levels(doctor.findings(LIMIT_STORE=server.url)[1]["limit store"]) == [OK, WARN]
        finally:
            server.stop()


class TestUpstream:
    def test_one_that_answers(self, doctor: Doctor, tmp_path: Path) -> None:
        key = rsa_key(tmp_path / "key.pem")
        with scripted_opend(RsaKey.load(key)) as opend:
            address = f"127.0.0.1:{opend.port}"
            status, found = doctor.findings("--upstream", address, "--upstream-rsa-key", str(key))
            assert (status, levels(found["upstream"])) == (0, [OK, OK, OK])
            assert "encrypted by AES_CBC; version 1009" in found["upstream"][0]["found"]
            # By the configuration alone, and without the key.
            status, found = doctor.findings(UPSTREAM=address)
            assert (status, levels(found["upstream"])) == (1, [FAIL])
            assert "Decryption failed" in found["upstream"][0]["found"]

    def test_one_that_is_away_or_says_no(self, doctor: Doctor) -> None:
        status, found = doctor.findings("--upstream", f"127.0.0.1:{free_port()}")
        assert (status, levels(found["upstream"])) == (1, [FAIL])
        assert "Connection refused" in found["upstream"][0]["found"]
        with scripted_opend(refuses="clientVer is too low") as opend:
            _, found = doctor.findings("--upstream", f"127.0.0.1:{opend.port}")
            assert "“clientVer is too low”" in found["upstream"][0]["found"]
        with scripted_opend(damaged={1002}) as opend:
            _, found = doctor.findings("--upstream", f"127.0.0.1:{opend.port}")
            assert levels(found["upstream"]) == [OK, FAIL]


class TestPorts:
    def test_held_by_a_gateway(self, doctor: Doctor, sample_url: str) -> None:
        with serving_process(sample_url, "--http-port", "0", "--websocket-port", "0") as gateway:
            pages, websocket = (
                str(url).rstrip("/;").rsplit(":", 1)[1] for url in (gateway.pages, gateway.websocket)
            )
            status, found = doctor.findings(PORT=str(gateway.port), HTTP_PORT=pages, WEBSOCKET_PORT=websocket)
        assert status == 0
        for number in (gateway.port, pages, websocket):
            assert "in use by a running gateway" in found[f"port {number}"][0]["found"]

    @pytest.fixture
    def stranger(self) -> Iterator[int]:
        """A port where another program accepts connections and closes them."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            from threading import Thread

            def turn_away() -> None:
                while True:
                    try:
                        listening.accept()[0].close()
                    except OSError:
                        return

            Thread(target=turn_away, daemon=True).start()
            yield listening.getsockname()[1]
            listening.shutdown(socket.SHUT_RDWR)

    @pytest.mark.parametrize("option", ["PORT", "HTTP_PORT", "WEBSOCKET_PORT"])
    def test_held_by_another(self, doctor: Doctor, stranger: int, option: str) -> None:
        status, found = doctor.findings(**{option: str(stranger)})
        assert status == 1
        assert "another program" in found[f"port {stranger}"][0]["found"]

    def test_an_address_of_another_machine(self, doctor: Doctor) -> None:
        status, found = doctor.findings(HOST="192.0.2.1")
        assert (status, levels(found[f"port {doctor.port}"])) == (1, [FAIL])


class TestKeys:
    def test_an_rsa_key(self, tmp_path: Path) -> None:
        weak, strong = rsa_key(tmp_path / "weak.pem"), rsa_key(tmp_path / "strong.pem", 2048)
        assert levels_of(keys.rsa_key(weak)) == [OK, WARN]
        assert levels_of(keys.rsa_key(strong)) == [OK, OK]
        other = in_pkcs8(strong)
        other.chmod(0o600)
        (_, found) = keys.rsa_key(other)
        assert found.level == FAIL
        assert "PKCS#1" in found.found

    def test_files_that_others_read(self, doctor: Doctor, tmp_path: Path) -> None:
        # Other users can enter such a folder.
        tmp_path.chmod(0o755)
        reached = all(folder.stat().st_mode & 1 for folder in tmp_path.parents)
        key = rsa_key(tmp_path / "key.pem")
        key.chmod(0o644)
        assert levels_of(keys.secret_file("key", key)) == [FAIL if reached else OK]
        tmp_path.chmod(0o700)
        assert levels_of(keys.secret_file("key", key)) == [OK]
        tmp_path.chmod(0o755)
        config = doctor.config
        config.write_text('lang = "en"\n')
        config.chmod(0o644)
        assert "secrets" not in doctor.findings()[1]
        config.write_text('http_token = "12345678901234567890"\n')
        if reached:
            status, found = doctor.findings()
            assert (status, levels(found["secrets"])) == (1, [FAIL])
        config.chmod(0o600)
        status, found = doctor.findings()
        assert (status, levels(found["secrets"])) == (0, [OK])
        assert "12345678901234567890" not in str(found)

    def test_a_certificate(self, tmp_path: Path) -> None:
        path, _ = certificate(tmp_path)
        now = datetime.datetime.now(datetime.UTC)
        assert levels_of(keys.certificate(path, now - datetime.timedelta(days=9))) == [FAIL, OK]
        assert levels_of(keys.certificate(path, now)) == [WARN, OK]
        assert levels_of(keys.certificate(path, now + datetime.timedelta(days=9))) == [FAIL, OK]
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(ipaddress.ip_address("127.0.0.1")))])
        nameless = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now)
            .not_valid_after(now + datetime.timedelta(days=90))
            .sign(key, hashes.SHA256())
        )
        path.write_bytes(nameless.public_bytes(Encoding.PEM))
        assert levels_of(keys.certificate(path, now)) == [OK, FAIL]
        path.write_text("no certificate")
        assert levels_of(keys.certificate(path, now)) == [FAIL]


def levels_of(findings: Any) -> list[str]:
    return [str(finding.level) for finding in findings]


class TestMachine:
    def test_open_files(self) -> None:
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert levels_of(machine.open_files(100)) == [OK]
        if most != resource.RLIM_INFINITY:
            assert levels_of(machine.open_files(most + 1)) == [FAIL]

    def test_clocks_that_differ(self) -> None:
        assert levels_of(machine.same_clock("it", 1000.0, 1000.4, 0.1)) == [OK]
        (found,) = machine.same_clock("it", 1000.0, 990.0, 0.1)
        assert (found.level, "behind" in found.found) == (WARN, True)

    def test_a_package_that_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert levels_of(machine.versions({})) == [OK]
        monkeypatch.setitem(machine.EXTRAS, "no-such-package", "extra")
        (_, found) = machine.versions({"no-such-package": "--option"})
        assert (found.level, found.mend) == (FAIL, "pip install 'qotgate[extra]'")


def test_freshness_counts_trading_days(sample_url: str) -> None:
    store = Store.open(sample_url)
    # The sample's last day is Tuesday 2026-06-23.
    at = lambda day, hour=12: datetime.datetime(2026, 6, day, hour, tzinfo=datetime.UTC)  # noqa: E731
    funds = ["ARKK", "ARKW"]
    assert levels_of(freshness(store, funds, at(24))) == [OK, OK]
    assert levels_of(freshness(store, funds, at(25))) == [OK, OK]
    # The evening of New York is the next day in UTC.
    assert levels_of(freshness(store, funds, at(26, 1))) == [OK, OK]
    assert levels_of(freshness(store, funds, at(26))) == [WARN, WARN, OK]
    assert levels_of(freshness(store, funds, datetime.datetime(2026, 7, 3, tzinfo=datetime.UTC)))[-1] == WARN
    store.close()


def test_a_clock_before_any_fund(sample_url: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [*QOTGATE, "doctor", "--db", sample_url],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={
            **os.environ,
            "HOME": str(tmp_path),
            "QOTGATE_PORT": "0",
            "QOTGATE_HTTP_PORT": "0",
            "LD_PRELOAD": faketime_library(),
            "FAKETIME": "@1999-12-31 12:00:00",
        },
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "fail clock: It is 1999-12-31" in done.stdout


def test_a_database_deleted_under_a_gateway(doctor: Doctor, sample_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "q.db"
    path.write_bytes(sample_file.read_bytes())
    url = f"sqlite:///{path}"
    with serving(url, "--http-port", "0") as gateway:
        number = str(gateway.pages).rpartition(":")[2]
        status, found = doctor.findings(DB=url, HTTP_PORT=number)
        assert (status, levels(found[f"port {number}"])) == (0, [OK])
        for one in tmp_path.glob("q.db*"):
            one.unlink()
        status, found = doctor.findings(DB=url, HTTP_PORT=number)
        assert (status, levels(found[f"port {number}"])) == (1, [OK, FAIL])
        assert "deleted or replaced" in found[f"port {number}"][1]["found"]


@pytest.mark.parametrize("replaced", [False, True])
def test_a_database_deleted_under_a_gateway_without_pages(
    doctor: Doctor, sample_file: Path, tmp_path: Path, *, replaced: bool
) -> None:
    path = tmp_path / "q.db"
    path.write_bytes(sample_file.read_bytes())
    url = f"sqlite:///{path}"
    with serving_process(url) as gateway:
        _, found = doctor.findings(DB=url)
        assert FAIL not in levels(found["database"])
        # A running gateway may check in between, and continue in the new file.
        os.kill(gateway.process.pid, signal.SIGSTOP)
        for one in tmp_path.glob("q.db*"):
            one.unlink()
        if replaced:
            path.write_bytes(sample_file.read_bytes())
        try:
            status, found = doctor.findings(DB=url)
        finally:
            os.kill(gateway.process.pid, signal.SIGCONT)
        (failed,) = [one for one in found["database"] if one["level"] == FAIL]
        assert (status, f"while process {gateway.process.pid} had it open" in failed["found"]) == (1, True)
