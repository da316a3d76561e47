"""The addresses of sockets."""

from typing import Any

BACKLOG = 1024
"""Length of the listen queue: connections that the kernel holds until the gateway accepts them."""


def shown_address(address: Any) -> str:
    """A socket's address as ``HOST:PORT``."""
    if not isinstance(address, tuple):
        return ""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
