"""What a parser in Rust does on damaged bytes, as one error."""

from collections.abc import Iterator
from contextlib import contextmanager

from qotgate.model import Unreadable


@contextmanager
def refused(sentence: str, expected: type[Exception] = Unreadable) -> Iterator[None]:
    """Raise Unreadable with ``sentence`` for whatever goes wrong within, except Unreadable itself and what
    is ``expected``."""
    try:
        yield
    except (Unreadable, expected):
        raise
    except BaseException as problem:
        # A panic in Rust arrives as a PanicException, which derives from BaseException alone.
        if isinstance(problem, Exception) or type(problem).__name__ == "PanicException":
            raise Unreadable(sentence) from problem
        raise
