"""Splits the input of a target into parts, so that a mutation of one part leaves the others unchanged."""

from collections.abc import Iterator


def parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Pairs of a kind and a body, each after a head of three bytes: the kind in one, the length in two."""
    at = 0
    while at + 3 <= len(data):
        kind, length = data[at], int.from_bytes(data[at + 1 : at + 3], "big")
        yield kind, data[at + 3 : at + 3 + length]
        at += 3 + length


def joined(*wanted: tuple[int, bytes]) -> bytes:
    """The bytes that :func:`parts` splits into ``wanted``."""
    return b"".join(bytes([kind]) + len(body).to_bytes(2, "big") + body for kind, body in wanted)


def sliced(data: bytes, step: int) -> Iterator[bytes]:
    """``data`` in pieces of ``step`` bytes."""
    return (data[at : at + step] for at in range(0, len(data), step))
