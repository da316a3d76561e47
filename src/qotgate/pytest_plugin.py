"""The pytest plugin: the fixture ``qotgate_gateway``."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from qotgate.testing.running import RunningGateway


@pytest.fixture
def qotgate_gateway() -> "Iterator[Callable[..., RunningGateway]]":
    """Starts gateways, as :func:`qotgate.testing.run_gateway`; they stop with the test."""
    # Imported here: pytest loads its plugins in every run, also where none of this is wanted.
    from qotgate.testing.running import run_gateway

    with ExitStack() as stack:

        def start(*paths: Any, **options: Any) -> "RunningGateway":
            return stack.enter_context(run_gateway(*paths, **options))

        yield start
