"""Logs clients in: by the gateway itself, or at the OpenD behind it."""

import asyncio
from typing import Any

import structlog

from qotgate.gateway.interfaces import SERVER_VERSION
from qotgate.gateway.replies import Replies, sealed_response
from qotgate.gateway.request_log import Pending
from qotgate.gateway.session import Login, Session, State
from qotgate.model import InvalidRequest
from qotgate.protocol.messages import CLASSES
from qotgate.protocol.names import language_of
from qotgate.relay.upstream import Upstream
from qotgate.service.markets import USER

log = structlog.get_logger()


class LoginHandler:
    """Answers the first request of a session. With an ``upstream``, the client logs in there too."""

    def __init__(self, replies: Replies, upstream: Upstream | None) -> None:
        self._replies = replies
        self._upstream = upstream
        self._tasks: set[asyncio.Task[None]] = set()

    def log_in(self, pending: Pending) -> bytes | None:
        """The sealed answer; None if the session gets it later. Raises Refused."""
        session = pending.session
        if session.turned_away is not None:
            raise session.turned_away
        if session.state is not State.NEW:
            raise InvalidRequest("initialised_twice")
        login = session.read_login(pending.frame)
        if self._upstream is None:
            return self._welcome(pending, login, self._own_s2c(session))
        session.state = State.LOGGING_IN
        session.under_way += 1
        task = asyncio.get_running_loop().create_task(self._open_upstream(self._upstream, pending, login))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return None

    async def _open_upstream(self, upstream: Upstream, pending: Pending, login: Login) -> None:
        session = pending.session
        secure = login.encrypted or session.is_local
        opened = await upstream.open(login.c2s, session, secure=secure)
        if session.state is State.ENDED:
            opened.close()
            return
        session.upstream = opened
        s2c = self._own_s2c(session)
        if opened.s2c is not None:
            s2c.CopyFrom(opened.s2c)
            session.keep_alive_interval = s2c.keepAliveInterval
        self._replies.deliver(pending, self._welcome(pending, login, s2c))
        opened.resume()

    def _own_s2c(self, session: Session) -> Any:
        return CLASSES["InitConnect.S2C"](
            serverVer=SERVER_VERSION,
            loginUserID=USER.user_id,
            connID=session.connection_id,
            keepAliveInterval=self._replies.options.keep_alive_interval,
        )

    def _welcome(self, pending: Pending, login: Login, s2c: Any) -> bytes:
        frame, session, *_ = pending
        session.connection_id = s2c.connID
        sealed = sealed_response(frame, session.welcome(login, s2c))
        session.state = State.OPEN
        session.lang = language_of(login.c2s.clientID)
        self._replies.counts.answered(frame.proto_id)
        log.info(
            "client connected",
            connection=session.connection_id,
            peer=session.peer,
            client=login.c2s.clientID,
            **login.fields,
        )
        return sealed
