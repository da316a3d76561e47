"""Migrates clients' connections from one process to the next: see :mod:`qotgate.serving.handover`.

A connection migrates when it has no pending request. Its state then is the client's identity, its cipher, and
the bytes of a partial request. Bytes that the client sends meanwhile wait in the kernel's receive buffer for
the next process.
"""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle

import structlog

from qotgate.gateway import Gateway
from qotgate.gateway.session import MAX_UNREAD
from qotgate.serving.handover import Message, receive, send

TURN_SECONDS = 0.005

log = structlog.get_logger()


async def move(gateway: Gateway, channels: list[socket.socket]) -> int:
    """Migrate the sessions of a paused gateway as they become idle, until none is left or the time to drain
    is over. Returns how many migrated."""
    moved = 0
    sessions, deadline = gateway.door.sessions, gateway.door.deadline
    for waiting in list(sessions):
        waiting.hand_over()
    if not channels:
        return moved
    turns = cycle(channels)
    # The gateway learns of the last accepted connection one turn later.
    await asyncio.sleep(TURN_SECONDS)
    try:
        while sessions and gateway.loop.time() < deadline:
            for session in list(gateway.tcp.sessions):
                state = session.description()
                if state is None or len(state["unread"]) > 2 * MAX_UNREAD:
                    continue
                file = session.file()
                try:
                    send(next(turns), state, file)
                except BlockingIOError:
                    continue
                finally:
                    os.close(file)
                session.because("it moved to the next gateway")
                session.abort()
                moved += 1
            for waiting in sessions:
                waiting.stop_reading()
            await asyncio.sleep(TURN_SECONDS)
    except OSError as error:
        log.error("connections cannot be moved", reason=str(error))  # noqa: TRY400 - it says all
    finally:
        for one in channels:
            one.close()
    return moved


def arrive(gateway: Gateway, channel: socket.socket) -> None:
    """Serve the connections that arrive through ``channel``, until it ends."""
    channel.setblocking(False)
    tasks: set[asyncio.Task[None]] = set()

    def hear() -> None:
        for state, file in _messages(channel):
            if file is None:
                gateway.loop.remove_reader(channel.fileno())
                channel.close()
                return
            task = gateway.loop.create_task(_adopt(gateway, state, socket.socket(fileno=file)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    gateway.loop.add_reader(channel.fileno(), hear)


def _messages(channel: socket.socket) -> Iterator[tuple[Message, int | None]]:
    with suppress(BlockingIOError):
        while True:
            try:
                state, file = receive(channel)
            except (ConnectionError, ValueError):
                state, file = {}, None
            yield state, file
            if file is None:
                return


async def _adopt(gateway: Gateway, state: Message, connection: socket.socket) -> None:
    connection.setblocking(False)
    try:
        if state["carrier"] == "tcp":
            await gateway.tcp.adopt(state, connection)
        else:
            # An earlier version migrates others as well.
            connection.close()
    except (OSError, KeyError, ValueError) as error:
        log.warning("connection lost", connection=state.get("id"), reason=str(error))
        connection.close()
