"""Messages to systemd from a service of Type=notify; without systemd they do nothing."""

import os
import socket
import time
from contextlib import suppress

WATCHDOG_SHARE = 3
"""Keep-alives in each watchdog interval."""


def notify(*words: str) -> None:
    """Send ``words``, such as READY=1."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
        to.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
        to.send("\n".join(words).encode())


def reloading() -> None:
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_seconds() -> float | None:
    """Seconds between two WATCHDOG=1, None for never."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(microseconds) / 1e6 / WATCHDOG_SHARE
