"""Upstream sessions with a scripted OpenD, below the gateway: ciphers, order, lost connections, back-off."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from qotgate.model import QotGateError, Refused, Unavailable
from qotgate.protocol.cipher import PacketEncAlgo, RsaKey
from qotgate.protocol.frame import PROTOBUF, Frame
from qotgate.relay import opend as relay
from qotgate.relay.opend import OpenD, OpenDOptions, own_login
from tests.support.opend import PASSWORD_MD5, SIMULATED, ScriptedOpenD, scripted_opend
from tests.support.opend_messages import request, response

KEY = RsaKey.generate(1024)
SECURITY = {"market": 11, "code": "TSLA"}


class Listener:
    """A client's session."""

    raw = None

    def __init__(self) -> None:
        self.pushes: list[Frame] = []
        self.errors: list[Refused] = []
        self.ended = asyncio.Event()
        self.held: list[bool] = []

    def push(self, frame: Frame) -> None:
        self.pushes.append(frame)

    def hold(self, held: bool) -> None:
        self.held.append(held)

    def lost(self, error: Refused) -> None:
        self.errors.append(error)
        self.ended.set()


async def asked(session: Any, proto_id: int, serial: int = 1, **c2s: Any) -> Frame | Refused:
    return await later(session, proto_id, serial, **c2s)


def later(session: Any, proto_id: int, serial: int = 1, **c2s: Any) -> "asyncio.Future[Frame | Refused]":
    answer: asyncio.Future[Frame | Refused] = asyncio.get_running_loop().create_future()
    session.ask(Frame(proto_id, PROTOBUF, serial, request(proto_id, **c2s)), answer.set_result)
    return answer


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


def run(work: Callable[[OpenD, Listener], Any], scripted: ScriptedOpenD, **options: Any) -> None:
    async def main() -> None:
        opend = OpenD(OpenDOptions("127.0.0.1", scripted.port, **options))
        listener = Listener()
        try:
            await work(opend, listener)
        finally:
            await opend.close()
            await until(lambda: not scripted.sessions)

    asyncio.run(main())


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "RSA"])
@pytest.mark.parametrize("algorithm", [one for one in PacketEncAlgo if one is not PacketEncAlgo.NONE])
def test_answers_and_pushes_under_each_cipher(key: RsaKey | None, algorithm: PacketEncAlgo) -> None:
    async def work(opend: OpenD, client: Listener) -> None:
        session = await opend.open(own_login(), client, secure=True)
        assert session.s2c.serverVer == 1009
        session.resume()
        for serial in (7, 2**32 + 8):
            answer = await asked(session, 3203, serial, securityList=[SECURITY])
            assert isinstance(answer, Frame)
            assert answer.serial == serial
            assert response(3203, answer.body).s2c.snapshotList[0].basic.name == "Name of TSLA"
        await asked(
            session, 3001, securityList=[SECURITY], subTypeList=[4], isSubOrUnSub=True, isRegOrUnRegPush=True
        )
        await asyncio.to_thread(scripted.do, lambda: scripted.publish(range(300)))
        await until(lambda: len(client.pushes) == 300)
        numbers = [response(3011, frame.body).s2c.tickerList[0].sequence for frame in client.pushes]
        assert numbers == list(range(300))
        assert opend.counts["pushes"] == 300

    with scripted_opend(key) as scripted:
        run(work, scripted, key=key, algorithm=algorithm)
        wanted = algorithm if key else PacketEncAlgo.NONE
        assert [login.packetEncAlgo for login in scripted.logins] == [wanted]


def test_the_login_is_the_client_s_own() -> None:
    """Including fields that this version does not know."""

    async def work(opend: OpenD, client: Listener) -> None:
        c2s = own_login()
        c2s.MergeFromString(
            request(1001, clientVer=900, clientID="mine", recvNotify=True, aiType=3, pushProtoFmt=1)[2:]
            + b"\xfa\x01\x05later"  # field 31
        )
        await opend.open(c2s, client, secure=True)

    with scripted_opend() as scripted:
        run(work, scripted)
        (login,) = scripted.logins
        assert (login.clientVer, login.clientID, login.aiType, login.pushProtoFmt) == (900, "mine", 3, 1)
        assert login.SerializeToString().endswith(b"\xfa\x01\x05later")


def test_nothing_comes_before_the_client_has_its_answer_or_while_it_does_not_read() -> None:
    async def work(opend: OpenD, client: Listener) -> None:
        session = await opend.open(_notified(), client, secure=True)
        await asyncio.sleep(0.1)
        assert client.pushes == []
        session.resume()
        await until(lambda: len(client.pushes) == 1)
        assert client.pushes[0].proto_id == 1003
        session.pause()
        answer = later(session, 3203, securityList=[SECURITY])
        await asyncio.sleep(0.1)
        assert not answer.done()
        session.resume()
        assert isinstance(await answer, Frame)

    def _notified() -> Any:
        c2s = own_login()
        c2s.recvNotify = True
        return c2s

    with scripted_opend(notifies=True) as scripted:
        run(work, scripted)


def test_a_damaged_answer_is_refused_and_a_damaged_push_dropped() -> None:
    async def work(opend: OpenD, client: Listener) -> None:
        session = await opend.open(own_login(), client, secure=True)
        session.resume()
        answer = await asked(session, 3203, securityList=[SECURITY])
        assert isinstance(answer, Unavailable)
        assert answer.sentence == "upstream_damaged"
        await asked(session, 3001, securityList=[SECURITY], subTypeList=[4, 1], isSubOrUnSub=True)
        await asyncio.to_thread(scripted.do, lambda: scripted.publish(range(2)))
        await until(lambda: len(client.pushes) == 2)
        assert {frame.proto_id for frame in client.pushes} == {3005}
        assert opend.counts["damaged"] == 3

    with scripted_opend(damaged={3203, 3011}) as scripted:
        run(work, scripted)


def test_what_was_under_way_is_refused_where_the_link_is_lost() -> None:
    async def work(opend: OpenD, client: Listener) -> None:
        session = await opend.open(own_login(), client, secure=True)
        session.resume()
        question = later(session, 3203, securityList=[SECURITY])
        order = later(session, 2001, 2, userID=1)
        await until(lambda: scripted.asked[2001] == 1)
        await asyncio.to_thread(scripted.do, scripted.drop)
        await client.ended.wait()
        refusals = question.result(), order.result()
        assert [refusal.sentence for refusal in refusals] == ["upstream_lost", "upstream_lost_trade"]
        # A repeated order may be placed twice.
        assert [isinstance(refusal, Unavailable) for refusal in refusals] == [True, False]
        assert len(client.errors) == 1
        after = await asked(session, 3203)
        assert isinstance(after, Unavailable)
        assert opend.state == "lost"

    with scripted_opend(unanswered={3203, 2001}) as scripted:
        run(work, scripted, trade=True)


def test_one_that_hangs_is_given_up() -> None:
    async def work(opend: OpenD, client: Listener) -> None:
        session = await opend.open(own_login(), client, secure=True)
        session.resume()
        scripted.unanswered |= {1004, 3203}
        answer = await asked(session, 3203, securityList=[SECURITY])
        assert isinstance(answer, Unavailable)
        assert client.ended.is_set()

    with scripted_opend(keep_alive_interval=1) as scripted:
        run(work, scripted)


class TestAway:
    def test_a_session_begins_without_it_and_ends_when_it_is_there(self) -> None:
        async def work(opend: OpenD, client: Listener) -> None:
            await asyncio.to_thread(scripted.do, scripted.stop)
            await opend.start()
            session = await opend.open(own_login(), client, secure=True)
            quiet = Listener()
            await opend.open(own_login(), quiet, secure=True)
            assert session.s2c is None
            answer = await asked(session, 3203)
            assert isinstance(answer, Unavailable)
            assert answer.sentence == "upstream_away"
            await asyncio.to_thread(scripted.do, scripted.start)
            await asyncio.wait_for(client.ended.wait(), 10)
            assert [error.sentence for error in client.errors] == ["upstream_back"]
            # This client has not asked for OpenD.
            assert not quiet.ended.is_set()

        with scripted_opend() as scripted, structlog.testing.capture_logs() as logs:
            run(work, scripted)
        # One line for each change, whatever the number of attempts.
        assert [line["event"] for line in logs] == ["upstream is away", "upstream is there"]

    def test_attempts_become_rarer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        waits = []

        async def work(opend: OpenD, client: Listener) -> None:
            await asyncio.to_thread(scripted.do, scripted.stop)
            for _ in range(8):
                opend._next_try = 0
                await opend.open(own_login(), client, secure=True)
                waits.append(opend.until_next_try())
            before = opend.counts["failures"]
            await opend.open(own_login(), client, secure=True)
            assert opend.counts["failures"] == before, "it was tried again at once"

        with scripted_opend() as scripted:
            run(work, scripted)
        assert waits[0] < 0.6
        assert 7 < waits[-1] <= relay.MAX_BACKOFF_SECONDS

    def test_one_that_never_answers_the_login(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("qotgate.relay.link.LOGIN_SECONDS", 0.2)

        async def main() -> None:
            server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
            opend = OpenD(OpenDOptions("127.0.0.1", server.sockets[0].getsockname()[1]))
            session = await opend.open(own_login(), Listener(), secure=True)
            answer = await asked(session, 3203)
            assert isinstance(answer, Unavailable)
            assert answer.sentence == "upstream_silent"
            await opend.close()
            server.close()

        asyncio.run(main())


class TestLogin:
    @pytest.mark.parametrize("key", [None, KEY], ids=["plain", "RSA"])
    def test_a_refused_login_is_told_in_opend_s_own_words(
        self, key: RsaKey | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(relay, "REFUSED_BACKOFF_SECONDS", 0.1)

        async def work(opend: OpenD, client: Listener) -> None:
            session = await opend.open(own_login(), client, secure=True)
            answer = await asked(session, 3203)
            assert isinstance(answer, Refused)
            assert "account 281756455983 has not logged in" in answer.text("en")
            scripted.refuses = None
            await asyncio.wait_for(client.ended.wait(), 10)

        with (
            scripted_opend(key, refuses="account 281756455983 has not logged in") as scripted,
            structlog.testing.capture_logs() as logs,
        ):
            run(work, scripted, key=key)
        assert [line["event"] for line in logs] == ["upstream refused the login", "upstream is there"]
        assert "281756455983" not in str(logs)

    @pytest.mark.parametrize(
        ("theirs", "ours", "hangs_up", "sentence"),
        [
            (KEY, None, False, "Decryption failed"),
            (KEY, RsaKey.generate(1024), False, "Decryption failed"),
            (KEY, None, True, "closed the connection at the login"),
            (None, KEY, False, "Decryption failed"),
        ],
    )
    def test_a_wrong_key(
        self, theirs: RsaKey | None, ours: RsaKey | None, hangs_up: bool, sentence: str
    ) -> None:
        async def work(opend: OpenD, client: Listener) -> None:
            session = await opend.open(own_login(), client, secure=True)
            answer = await asked(session, 3203)
            assert isinstance(answer, Refused)
            assert sentence in answer.text("en")

        with scripted_opend(theirs, hangs_up=hangs_up) as scripted:
            run(work, scripted, key=ours)


class TestTrading:
    @pytest.mark.parametrize(
        ("trade", "secure", "sentence"),
        [(False, True, "upstream_no_trade"), (True, False, "upstream_trade_plain"), (True, True, None)],
    )
    @pytest.mark.parametrize("proto_id", [2001, 2005, 2202])
    def test_passes_only_where_it_was_allowed(
        self, trade: bool, secure: bool, sentence: str | None, proto_id: int
    ) -> None:
        header = {"trdEnv": 0, "accID": SIMULATED, "trdMarket": 2}
        bodies = {
            2001: {"userID": 7654321},
            2005: {"unlock": True, "pwdMD5": PASSWORD_MD5},
            2202: {
                "packetID": {"connID": 0, "serialNo": 5},
                "header": header,
                "trdSide": 1,
                "orderType": 1,
                "code": "TSLA",
                "qty": 1.0,
            },
        }

        async def work(opend: OpenD, client: Listener) -> None:
            session = await opend.open(own_login(), client, secure=secure)
            session.resume()
            if proto_id == 2202:
                bodies[2202]["packetID"]["connID"] = session.s2c.connID
            answer = await asked(session, proto_id, 5, **bodies[proto_id])
            if sentence is None:
                assert isinstance(answer, Frame)
                assert response(proto_id, answer.body).retType == 0
            else:
                assert isinstance(answer, Refused)
                assert answer.sentence == sentence
                assert scripted.asked[proto_id] == 0

        with scripted_opend() as scripted:
            run(work, scripted, trade=trade)

    def test_takes_a_key_for_an_opend_on_another_machine(self) -> None:
        with pytest.raises(QotGateError, match="--upstream-rsa-key"):
            OpenDOptions("192.0.2.1", 11111, trade=True)


def test_what_the_gateway_answers_by_itself() -> None:
    opend = OpenD(OpenDOptions("127.0.0.1", 1))
    assert [number for number in (1001, 1002, 1004, 3203, 3426, 2005) if opend.accepts(number)] == [
        *(1002, 3203, 2005)
    ]
    assert OpenD(OpenDOptions("127.0.0.1", 1, own=frozenset({3424}))).accepts(3426)
