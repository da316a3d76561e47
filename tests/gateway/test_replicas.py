"""Gateways on replicas: each answer comes from one state of the data, and a page of a later state is
refused."""

import os
import subprocess
from pathlib import Path

import pytest

from qotgate.protocol.messages import ProtoId
from qotgate.service import loading
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.support.databases import PostgreSQL
from tests.support.generations import GENERATIONS, ask_all, asking, bodies, files_of
from tests.support.paths import SAMPLE
from tests.support.serving import QOTGATE, Serving, serving, until
from tests.support.wire import Wire

pytestmark = pytest.mark.slow

AHEAD = "page is of newer data than this gateway's database has received: ask again in a moment."


def load(url: str, paths: list[Path]) -> None:
    subprocess.run([*QOTGATE, "load", "--db", url, *map(os.fspath, paths)], check=True, capture_output=True)


@pytest.fixture
def primary(postgresql_alone: PostgreSQL) -> str:
    """The URL of the sample, on a server that supports standbys."""
    url = postgresql_alone.new()
    load(url, [SAMPLE])
    return url


def on(standby: PostgreSQL, url: str) -> str:
    """The URL of the same database on another server."""
    return standby.url(url.rpartition("/")[2])


def answers_of(gateway: Serving) -> list[bytes]:
    with Wire(gateway.port) as wire:
        return [body for _, body in sorted(set(ask_all(wire)))]


def test_each_answer_of_a_replica_is_of_a_whole_generation(
    primary: str, postgresql_alone: PostgreSQL, reference: Reference, tmp_path: Path
) -> None:
    loads = [files_of(tmp_path, generation) for generation in range(1, GENERATIONS + 1)]
    # The answers after the next loads, from a copy.
    rehearsal = postgresql_alone.copy(primary)
    wanted = [bodies(rehearsal, reference)]
    for paths in loads:
        store = Store.open(rehearsal)
        loading.load(store, reference, loading.find_files(paths))
        store.close()
        wanted.append(bodies(rehearsal, reference))
    with (
        postgresql_alone.standby() as standby,
        serving(on(standby, primary), "--rate-limit", "off") as gateway,
        asking(gateway.port, wanted) as seen,
    ):
        for paths in loads:
            load(primary, paths)
        until(lambda: answers_of(gateway) == wanted[-1])
    assert seen >= {0, GENERATIONS}


def test_a_page_of_data_that_a_replica_has_not_received_is_asked_for_again_later(
    primary: str, postgresql_alone: PostgreSQL, tmp_path: Path
) -> None:
    new_ratings = {"market": 11, "changeType": 3, "count": 1}
    with (
        postgresql_alone.standby() as standby,
        serving(primary, "--lang", "en", "--rate-limit", "off") as first,
        serving(on(standby, primary), "--lang", "en", "--rate-limit", "off") as second,
        Wire(first.port) as wire,
        Wire(second.port) as behind,
    ):
        old = behind.ask(ProtoId.Qot_GetRatingChange, **new_ratings)
        standby.execute("SELECT pg_wal_replay_pause()")
        load(primary, files_of(tmp_path, 1))
        until(lambda: wire.ask(ProtoId.Qot_GetRatingChange, **new_ratings).s2c.allCount > old.s2c.allCount)
        page = wire.ask(ProtoId.Qot_GetRatingChange, **new_ratings).s2c.nextPage
        refused = behind.ask(ProtoId.Qot_GetRatingChange, **new_ratings, page=page)
        assert (refused.retType, refused.retMsg, refused.unavailable) == (-1, AHEAD, True)
        # It answers from its own data, also a page of older data that the other one has too.
        assert behind.ask(ProtoId.Qot_GetRatingChange, **new_ratings) == old
        assert wire.ask(ProtoId.Qot_GetRatingChange, **new_ratings, page=old.s2c.nextPage).retType == 0
        standby.execute("SELECT pg_wal_replay_resume()")
        wanted = wire.ask(ProtoId.Qot_GetRatingChange, **new_ratings, page=page)
        until(lambda: behind.ask(ProtoId.Qot_GetRatingChange, **new_ratings, page=page) == wanted)
