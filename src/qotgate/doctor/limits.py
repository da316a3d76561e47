"""The limit backend: whether it answers, and whether it would lose its counts."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress

from qotgate.doctor import machine
from qotgate.doctor.finding import Finding, fail, ok, warn
from qotgate.limits.redis import SCHEMES, BackendAway, RedisBackend
from qotgate.limits.window import RateLimit

CHECK = "limit store"
SECONDS = 2.0


def limit_store(url: str, limit: RateLimit) -> Iterator[Finding]:
    """Check the backend at ``url``. Raises QotGateError for an invalid URL."""
    store = RedisBackend(url, limit)
    try:
        asyncio.run(_reach(store))
    except BackendAway as error:
        yield fail(
            CHECK,
            f"{store.name} does not serve: {str(error).rstrip('.')}.",
            "Start it, or correct --limit-store; meanwhile gateways do as --limit-store-down says.",
        )
        return
    yield ok(CHECK, f"{store.name} answers.")
    from redis import Redis
    from redis.exceptions import RedisError

    scheme, rest = url.split(":", 1)
    with Redis.from_url(f"{SCHEMES[scheme.lower()]}:{rest}", socket_timeout=SECONDS) as redis:
        with suppress(RedisError):
            asked = time.time()
            seconds, microseconds = redis.time()
            took = time.time() - asked
            yield from machine.same_clock(store.name, asked, seconds + microseconds / 1e6, took)
        with suppress(RedisError):  # the user may lack the right to check
            policy = str(redis.info("memory").get("maxmemory_policy", "noeviction"))
            if policy != "noeviction":
                yield warn(
                    CHECK,
                    f"{store.name} drops keys when its memory is full ({policy}), and so allowances.",
                    "Set maxmemory-policy noeviction, or give the gateways a store of their own.",
                )


async def _reach(store: RedisBackend) -> None:
    try:
        await store.take([], asyncio.get_running_loop().time() + SECONDS)
    finally:
        await store.close()
