"""What a client raises besides the refusals of :mod:`qotgate.model.errors`."""

from qotgate.model import QotGateError


class ConnectionLost(QotGateError, ConnectionError):  # noqa: N818 - a state, as its users call it
    """The connection is not there (any more), and could not be made anew in time."""


class Timeout(QotGateError, TimeoutError):  # noqa: N818 - a state, as its users call it
    """No answer came in time; the connection is usable still."""
