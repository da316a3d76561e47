"""Errors of a client besides the refusals of :mod:`qotgate.model.errors`."""

from qotgate.model import QotGateError


class ConnectionLost(QotGateError, ConnectionError):  # noqa: N818 - a state, as its users call it
    """The connection is lost, and could not be restored in time."""


class Timeout(QotGateError, TimeoutError):  # noqa: N818 - a state, as its users call it
    """No answer came in time; the connection is still usable."""


class NoGateway(ConnectionLost):
    """Nothing listens at the gateway's address."""


def no_gateway(address: str, error: Exception) -> ConnectionLost:
    """The error for a failed attempt to connect."""
    reason = getattr(error, "strerror", None) or error
    if not isinstance(error, ConnectionRefusedError):
        return ConnectionLost(f"No gateway answers at {address}: {reason}.")
    return NoGateway(
        f"No gateway answers at {address}: nothing listens there. Start one with `qotgate serve`, or with "
        "`qotgate demo` to try it; or name the host and port of one that runs."
    )
