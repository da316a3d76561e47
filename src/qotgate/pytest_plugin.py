"""The pytest plugin: the fixture ``qotgate_gateway``, and the options for recordings."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from qotgate.testing.running import RunningGateway


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("qotgate", "recordings of OpenD")
    group.addoption(
        "--qotgate-record",
        choices=["none", "once", "all"],
        default="none",
        help="Record OpenD for qotgate_gateway(replay=...): never, if the recording is missing, or always.",
    )
    group.addoption("--qotgate-upstream", metavar="HOST:PORT", help="The OpenD to record.")
    group.addoption(
        "--qotgate-upstream-trade",
        action="store_true",
        help="Forward requests about accounts, positions and orders too: they are real.",
    )


@pytest.fixture
def qotgate_gateway(request: pytest.FixtureRequest) -> "Iterator[Callable[..., RunningGateway]]":
    """Starts gateways, as :func:`qotgate.testing.run_gateway`; they stop with the test.

    ``replay`` is relative to the folder of the test's file, and recorded there as the options say.
    """
    # Imported here: pytest loads its plugins in every run, even without these tests.
    from qotgate.testing.running import run_gateway

    with ExitStack() as stack:

        def start(*paths: Any, **options: Any) -> "RunningGateway":
            if options.get("replay") is not None:
                config = request.config
                options = {
                    "record": config.getoption("--qotgate-record"),
                    "upstream": config.getoption("--qotgate-upstream"),
                    "upstream_trade": config.getoption("--qotgate-upstream-trade"),
                    **options,
                    "replay": request.path.parent / options["replay"],
                }
            return stack.enter_context(run_gateway(*paths, **options))

        yield start
