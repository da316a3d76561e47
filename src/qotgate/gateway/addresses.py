"""The addresses of sockets."""

from typing import Any

BACKLOG = 1024
"""Connections that the system holds until the gateway takes them."""


def shown_address(address: Any) -> str:
    """A socket's address as one writes it."""
    if not isinstance(address, tuple):
        return ""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
