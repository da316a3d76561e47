"""A transport without a network."""

import asyncio
from typing import Any

from qotgate.gateway.tcp import TcpSession
from qotgate.protocol.frame import FrameParser


class Transport(asyncio.Transport):
    """Stores what is written; full on request."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.reading = True
        self.session: TcpSession | None = None
        self.full = False

    def write(self, data: Any) -> None:
        self.written += data
        if self.full and self.session:
            self.session.pause_writing()

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        if self.session:
            session, self.session = self.session, None
            session.connection_lost(None)

    def answers(self) -> int:
        return sum(1 for _ in FrameParser().feed(bytes(self.written)))
