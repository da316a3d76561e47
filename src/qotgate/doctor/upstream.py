"""The OpenD behind the gateway: whether it is reachable, accepts the login, and answers."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator

from qotgate.doctor.finding import Finding, fail, ok, warn
from qotgate.model import Refused
from qotgate.protocol.body import decode, encode
from qotgate.protocol.frame import PROTOBUF, Frame
from qotgate.protocol.messages import REQUESTS, RESPONSES, ProtoId, RetType
from qotgate.relay.link import LOGIN_SECONDS, Link
from qotgate.relay.opend import OpenDOptions, own_login

CHECK = "upstream"


class _Observer:
    """A client that only observes."""

    raw = None

    def push(self, frame: Frame) -> None:
        """Do nothing: there are no subscriptions."""

    def hold(self, held: bool) -> None:
        """Do nothing: there is only one request."""

    def lost(self, error: Refused) -> None:
        """Do nothing: the request has had its refusal."""


def upstream(options: OpenDOptions) -> Iterator[Finding]:
    """Log in as a client would, and ask for the state of OpenD; subscribes to nothing and changes nothing."""
    yield from asyncio.run(_look(options))


async def _look(options: OpenDOptions) -> list[Finding]:
    address = (options.host, options.port)
    began = time.perf_counter()
    try:
        link = await Link.open(
            address, options.key, options.algorithm, own_login(), Counter(), lambda _link, _reason: None
        )
    except Refused as error:
        mend = "Start OpenD, and see that --upstream names its api_port." if _is_away(error) else _KEY
        return [fail(CHECK, f"{options.address}: {error.text('en')}", mend)]
    try:
        cipher = f"encrypted by {options.algorithm.name}" if options.key else "not encrypted"
        milliseconds = 1000 * (time.perf_counter() - began)
        found = [
            ok(
                CHECK,
                f"OpenD at {options.address} accepts the login in {milliseconds:.0f} ms, {cipher}; "
                f"version {link.s2c.serverVer}, keep-alive interval {link.s2c.keepAliveInterval} s.",
            )
        ]
        link.start(_Observer())
        link.resume()
        found.append(await _state(link))
    finally:
        link.abort()
    return found


async def _state(link: Link) -> Finding:
    request = REQUESTS[ProtoId.GetGlobalState](c2s={"userID": link.s2c.loginUserID})
    answered: asyncio.Future[Frame | Refused] = asyncio.get_running_loop().create_future()
    began = time.perf_counter()
    frame = Frame(ProtoId.GetGlobalState, PROTOBUF, 2, encode(request, PROTOBUF))
    link.ask(frame, answered.set_result)
    try:
        answer = await asyncio.wait_for(answered, LOGIN_SECONDS)
    except TimeoutError:
        return fail(
            CHECK, f"OpenD does not answer GetGlobalState within {LOGIN_SECONDS:g} s.", "Restart OpenD."
        )
    if isinstance(answer, Refused):
        return fail(CHECK, answer.text("en"), "Look at OpenD's log.")
    milliseconds = 1000 * (time.perf_counter() - began)
    response = decode(RESPONSES[ProtoId.GetGlobalState], answer.body, answer.body_format)
    if response.retType != RetType.SUCCEED:
        return fail(CHECK, f"OpenD refuses GetGlobalState: {response.retMsg}", "Look at OpenD's log.")
    state = response.s2c
    missing = [
        name for name, there in (("quotes", state.qotLogined), ("trading", state.trdLogined)) if not there
    ]
    if missing:
        return warn(
            CHECK,
            f"OpenD answers in {milliseconds:.1f} ms, and is not logged in for {' and '.join(missing)}.",
            "Log in to OpenD; it may ask for a verification code.",
        )
    return ok(CHECK, f"OpenD answers in {milliseconds:.1f} ms, and is logged in for quotes and trading.")


def _is_away(error: Refused) -> bool:
    return error.sentence in ("upstream_away", "upstream_silent")


_KEY = "Look at OpenD's own log and window, and at its rsa_private_key."
