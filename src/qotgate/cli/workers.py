"""``qotgate serve --workers``: the gateway in several processes."""

from contextlib import ExitStack
from dataclasses import replace

from qotgate.cli.log import configure_log
from qotgate.cli.options import open_questions
from qotgate.cli.serve import announce, run_gateway, run_loop
from qotgate.cli.settings import Settings
from qotgate.gateway import GatewayOptions
from qotgate.gateway.interfaces import INTERFACES
from qotgate.gateway.shared import SharedAllowance, SharedLimits, SharedPlaces
from qotgate.gateway.workers import Ready, Workers, held_port


def serve_by_workers(settings: Settings, options: GatewayOptions) -> None:
    """Serve by ``settings.workers`` processes. Raises QotGateError."""
    # What is wrong with the database or the tables is told before anything is started.
    with open_questions(settings):
        pass
    allowance = None
    if options.rate_limit is not None and options.rate_limit_scope == "gateway":
        allowance = SharedAllowance(options.rate_limit, INTERFACES)
    places = SharedPlaces(options.max_connections, settings.workers, options.max_connections_per_address)

    def work(number: int, ready: Ready, orphaned: int) -> None:
        log = configure_log()
        limits = SharedLimits(allowance, places.of(number))

        def listening(addresses: list[str]) -> bool:
            ready(addresses)
            return True

        # Pages are for people, and people are few: the first worker serves them.
        http = settings if number == 0 else None
        with open_questions(settings) as questions:
            run_loop(run_gateway(questions, options, listening, limits, orphaned, http))
        log.drain()

    with ExitStack() as held:
        port = held.enter_context(held_port(options.host, options.port))
        websocket = options.websocket
        if websocket is not None:
            websocket_port = held.enter_context(held_port(websocket.host, websocket.port))
            websocket = replace(websocket, port=websocket_port)
        options = replace(options, port=port, websocket=websocket, reuse_port=True)
        Workers(settings.workers, work, places.clear).run(lambda found: announce(found, settings))
