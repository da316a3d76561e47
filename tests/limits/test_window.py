"""The allowance: exact, and unaffected by retries."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qotgate.limits.allowance import Allowance
from qotgate.limits.shared_memory import SharedWindow
from qotgate.limits.window import ProcessWindow, RateLimit
from qotgate.model import QotGateError
from qotgate.protocol.messages import ProtoId
from tests.support.serving import Serving, serving
from tests.support.wire import Wire


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.floats(0, 20)))
def test_no_window_ever_holds_more(gaps: list[float]) -> None:
    clock, granted = Clock(), []
    window = ProcessWindow(RateLimit(3, 30), clock)
    for gap in gaps:
        clock.now += gap
        wait = window.take("one")
        inside = [moment for moment in granted if moment + 30 > clock.now]
        if wait:
            assert len(inside) == 3
            assert wait == inside[0] + 30 - clock.now
        else:
            assert len(inside) < 3
            granted.append(clock.now)


def test_a_refused_request_does_not_lengthen_the_wait() -> None:
    clock = Clock()
    window = ProcessWindow(RateLimit(1, 30), clock)
    assert window.take("one") == 0
    for second in range(1, 30):
        clock.now = 1000.0 + second
        assert window.take("one") == 30 - second
    clock.now = 1030.0
    assert window.take("one") == 0


def test_interfaces_are_counted_apart() -> None:
    window = ProcessWindow(RateLimit(1, 30), Clock())
    assert [window.take(key) for key in "aabb"] == [0, 30, 0, 30]
    window.forget("a")
    assert window.take("a") == 0


def test_what_is_left_keeps_nothing_that_has_passed() -> None:
    clock = Clock()
    window = ProcessWindow(RateLimit(1000, 30), clock)
    for _ in range(1000):
        window.take("one")
    clock.now += 10
    assert window.left("one") == (0, 20)
    clock.now += 20
    assert window.left("one") == (1000, 0)
    assert window.granted("one") == []


@pytest.mark.parametrize(
    ("text", "limit"),
    [("60/30s", RateLimit(60, 30)), ("1/0.5s", RateLimit(1, 0.5)), ("off", None)],
)
def test_options(text: str, limit: RateLimit | None) -> None:
    assert RateLimit.parse(text) == limit


@pytest.mark.parametrize("text", ["", "60", "60/30", "0/30s", "60/0s", "-1/30s", "60/30m", "x/ys", "1e3/1s"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(QotGateError, match="such as 60/30s, or off"):
        RateLimit.parse(text)


def first_page(wire: Wire, **fields: object) -> tuple[int, str]:
    answer = wire.ask(ProtoId.Qot_GetRatingChange, market=11, count=1, **fields)
    return answer.retType, answer.retMsg


@pytest.fixture
def limited(sample_url: str):
    with serving(sample_url, "--lang", "en") as gateway:
        yield gateway


def test_sixty_answers_and_one_refusal_and_free_pages(limited: Serving) -> None:
    with Wire(limited.port) as one, Wire(limited.port) as two:
        page = one.ask(ProtoId.Qot_GetRatingChange, market=11, count=1).s2c.nextPage
        for number in range(59):
            # The allowance is the gateway's: connections share it.
            assert first_page(one if number % 2 else two)[0] == 0
        ret_type, sentence = first_page(two)
        assert ret_type == -1
        assert sentence.startswith("Qot_GetRatingChange (3426) takes at most 60 requests in 30 seconds; ")
        wait = float(sentence.split("in ")[-1].removesuffix(" seconds."))
        assert 0 < wait <= 30
        assert all(first_page(one, page=page)[0] == 0 for _ in range(100))
        assert first_page(one)[0] == -1
        # Another interface has its own allowance; KeepAlive and GetGlobalState have none.
        assert sum(one.dynamic().retType == 0 for _ in range(61)) == 60
        assert all(one.ask(ProtoId.GetGlobalState, userID=0).retType == 0 for _ in range(61))


@pytest.mark.parametrize("name", ["Qot_GetArkFundHolding", "Qot_GetArkActiveTransaction"])
def test_only_first_pages_of_the_ark_lists_count(sample_url: str, name: str) -> None:
    proto_id = ProtoId[name]
    question = {"cycleType": 4, "asOf": "2026-06-18", "count": 1}
    with serving(sample_url, "--rate-limit", "1/30s") as gateway, Wire(gateway.port) as wire:
        page = wire.ask(proto_id, **question).s2c.nextPage
        assert page
        assert [wire.ask(proto_id, page=page, **question).retType for _ in range(3)] == [0, 0, 0]
        assert wire.ask(proto_id, **question).retType == -1


def test_the_allowance_comes_back(sample_url: str) -> None:
    with serving(sample_url, "--rate-limit", "2/1s") as gateway, Wire(gateway.port) as wire:
        started = time.monotonic()
        assert [wire.dynamic().retType for _ in range(3)] == [0, 0, -1]
        while wire.dynamic().retType:
            time.sleep(0.02)
        assert time.monotonic() - started >= 1


def test_each_connection_may_have_its_own(sample_url: str) -> None:
    with serving(sample_url, "--rate-limit", "1/30s", "--rate-limit-scope", "connection") as gateway:
        for _ in range(2):
            with Wire(gateway.port) as wire:
                assert [wire.dynamic().retType for _ in range(2)] == [0, -1]


def test_a_limit_that_comes_later_is_counted_where_all_workers_count() -> None:
    shared = SharedWindow(RateLimit(60, 30), "a")
    workers = [Allowance(None, window=shared) for _ in range(2)]
    assert [worker.take_here("a") for worker in workers * 3] == [0] * 6
    for worker in workers:
        worker.change(RateLimit(2, 3600))
    assert [worker.take_here("a") > 0 for worker in workers * 2] == [False, False, True, True]


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans())), st.integers(1, 4))
def test_shared_memory_knows_what_is_left(steps: list[tuple[float, bool]], requests: int) -> None:
    clock = Clock()
    limit = RateLimit(requests, 30)
    plain, shared = ProcessWindow(limit, clock), SharedWindow(limit, "a", clock)
    for gap, asks in steps:
        clock.now += gap
        if asks:
            assert plain.take("a") == shared.take("a")
        assert plain.left("a") == shared.left("a")
