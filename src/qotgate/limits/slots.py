"""Connection slots: how many connections are served at once, in all and for each address."""

import asyncio
from collections import Counter
from ipaddress import IPv6Address, ip_address
from typing import Literal, Protocol, TypeAlias

NETWORK_BITS = 64
"""Length of the IPv6 prefix that counts as one address; a host can choose the other bits freely."""
MAPPED = 0xFFFF << 32

Lack: TypeAlias = Literal["too_many_connections", "too_many_of_address"]
"""Why no slot is free, as the key of a sentence."""


def address_of(transport: asyncio.BaseTransport) -> int | None:
    """A number for the peer's IPv4 address or IPv6 network; None for a peer without an address."""
    peer = transport.get_extra_info("peername")
    if not isinstance(peer, tuple):
        return None
    try:
        address = ip_address(peer[0].split("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            # 0 would mean no address; the network of ::1 is 0.
            return int(address) >> NETWORK_BITS or 1
        address = address.ipv4_mapped
    return MAPPED | int(address)


class Slots(Protocol):
    """Connection slots of a process or of several; ``most`` in all."""

    most: int

    def acquire(self, address: int | None = None, *, force: bool = False) -> Lack | None:
        """Acquire a slot. Returns None, or the reason why none is free, unless ``force``."""

    def release(self, address: int | None = None) -> None:
        """Release a slot."""


class ProcessSlots:
    """``most`` slots of one process, ``most_of_address`` of them for each address (None for no such
    limit)."""

    def __init__(self, most: int, most_of_address: int | None = None) -> None:
        self.most = most
        self._taken = 0
        self._most_of_address = most_of_address
        self._of_address: Counter[int] = Counter()

    def acquire(self, address: int | None = None, *, force: bool = False) -> Lack | None:
        """Acquire a slot. Returns None, or the reason why none is free, unless ``force``."""
        if self._taken >= self.most and not force:
            return "too_many_connections"
        if self._most_of_address is not None and address is not None:
            if self._of_address[address] >= self._most_of_address and not force:
                return "too_many_of_address"
            self._of_address[address] += 1
        self._taken += 1
        return None

    def release(self, address: int | None = None) -> None:
        """Release a slot."""
        self._taken -= 1
        if self._most_of_address is not None and address is not None:
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]
