"""The limit backend, where several gateways count together: Redis or Valkey, through ``redis``.

The rule of :mod:`qotgate.limits.window` is a script that the backend runs in one step. For each key it keeps
a list of the times of granted requests within the window, oldest first. The times are by the backend's clock,
so gateways whose clocks differ count alike; the package ``limits`` would use each client's clock.

No script is sent twice: one whose answer was lost may have granted requests. Each script carries a deadline
by the backend's clock: a backend that hung and runs it later grants nothing.
"""

import asyncio
from collections.abc import Sequence
from urllib.parse import urlsplit

from qotgate.limits.window import RateLimit, Taken
from qotgate.model import QotGateError

MAX_REQUESTS = 1_000_000
"""Largest allowance at the backend: each request takes about ten bytes for each interface."""
ANSWER_SECONDS = 1.0
"""Timeout of the backend in seconds, including the time to connect."""
SCHEMES = {
    "redis": "redis",
    "rediss": "rediss",
    "valkey": "redis",
    "valkeys": "rediss",
    "unix": "unix",
}
"""The name of each URL scheme in the library."""

TIME = "redis.call('TIME')"
TAKE = f"""
local time = {TIME}
local now = time[1] * 1000000 + time[2]
local limit, window, counted_anyway = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
-- A second more than the window, so that it is never the backend's expiry that grants.
local ttl = math.ceil(window / 1000) + 1000
local answers = {{now}}
if now > tonumber(ARGV[4]) then return answers end
for _, key in ipairs(KEYS) do
  local standing = redis.call('LLEN', key)
  if standing > 0 then
    -- Where the clock was set back, the latest moment is now, and the others are as long before it as ever.
    local ahead = tonumber(redis.call('LINDEX', key, -1)) - now
    if ahead > 0 then
      local moments = redis.call('LRANGE', key, 0, -1)
      redis.call('DEL', key)
      for _, moment in ipairs(moments) do
        redis.call('RPUSH', key, string.format('%.0f', moment - ahead))
      end
      redis.call('PEXPIRE', key, ttl)
    end
    -- Those that the window has left behind are dropped, the first that stands found by halving.
    if tonumber(redis.call('LINDEX', key, 0)) <= now - window then
      local low, high = 1, standing
      while low < high do
        local middle = math.floor((low + high) / 2)
        local moment = tonumber(redis.call('LINDEX', key, middle))
        if moment <= now - window then low = middle + 1 else high = middle end
      end
      redis.call('LTRIM', key, low, -1)
      standing = standing - low
    end
  end
  local wait = 0
  if standing >= limit and not counted_anyway then
    wait = tonumber(redis.call('LINDEX', key, standing - limit)) + window - now
  else
    redis.call('RPUSH', key, string.format('%.0f', now))
    redis.call('PEXPIRE', key, ttl)
    standing = standing + 1
  end
  answers[#answers + 1] = wait
  answers[#answers + 1] = math.max(limit - standing, 0)
  answers[#answers + 1] = tonumber(redis.call('LINDEX', key, 0)) + window - now
end
return answers
"""
"""KEYS: the keys of the requests, in order. ARGV: requests, microseconds, 1 to count whatever the limit, and
the deadline. Returns the backend's time, and for each key the microseconds to wait (0 if granted), the number
of requests left, and the microseconds until there is one more."""
NO_DEADLINE = 1 << 53


class BackendAway(QotGateError):  # noqa: N818 - a state
    """The backend did not answer, or not as it should. ``hopeless`` if a retry cannot help."""

    def __init__(self, reason: str, *, hopeless: bool = False) -> None:
        self.hopeless = hopeless
        super().__init__(reason)


class RedisBackend:
    """The backend at ``url``. ``name`` is the URL without passwords.

    Raises QotGateError for an invalid URL, or if the library is missing.
    """

    def __init__(self, url: str, limit: RateLimit) -> None:
        if limit.requests > MAX_REQUESTS:
            raise QotGateError(f"With --limit-store, --rate-limit takes at most {MAX_REQUESTS} requests.")
        self.limit = limit
        self.name = _name(url)
        try:
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError as error:
            raise QotGateError(
                "--limit-store takes the Python package redis: pip install 'qotgate[redis]'."
            ) from error
        scheme, rest = url.split(":", 1)
        try:
            self._redis = Redis.from_url(
                f"{SCHEMES[scheme.lower()]}:{rest}",
                retry=Retry(NoBackoff(), 0),
                protocol=2,
                decode_responses=False,
            )
            # The library checks the URL's options only when it connects.
            self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]  # it has no annotations
        except (ValueError, TypeError, AttributeError):
            raise _no_url() from None
        self._take = self._redis.register_script(TAKE)
        self._window = max(1, round(limit.seconds * 1_000_000))
        self._ahead: float | None = None
        """A lower estimate of how far the backend's clock is ahead of the loop's, in seconds; None if
        unknown."""

    def key(self, name: str) -> str:
        """The backend's key of the counter ``name``. Counters with different windows have different keys."""
        return f"qotgate:allowance:{self.limit.seconds:g}s:{name}"

    async def take(self, keys: Sequence[str], deadline: float, *, anyway: bool = False) -> list[Taken]:
        """Take a request of each of ``keys`` in one round trip, until ``deadline`` in the loop's time. With
        ``anyway``, count it beyond the limit and after the deadline too. Raises BackendAway."""
        from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

        useful_until = NO_DEADLINE
        if self._ahead is not None and not anyway:
            useful_until = int((deadline + self._ahead) * 1_000_000)
        arguments = [self.limit.requests, self._window, int(anyway), useful_until]
        clock = asyncio.get_running_loop().time
        sent = clock()
        try:
            async with asyncio.timeout_at(deadline):
                found = await self._take(keys=keys, args=arguments)
        except (AuthenticationError, NoPermissionError) as error:
            raise BackendAway(str(error).rstrip("."), hopeless=True) from error
        except TimeoutError as error:
            raise BackendAway("no answer in time") from error
        except (RedisError, OSError) as error:
            raise BackendAway(str(error).rstrip(".") or type(error).__name__) from error
        if not isinstance(found, list) or len(found) not in (1, 1 + 3 * len(keys)):
            raise BackendAway("an answer that is none")
        self._learn_clock(found[0] / 1e6, sent, clock())
        if len(found) == 1 and keys:
            raise BackendAway("no answer in time")
        numbers = iter(found[1:])
        return [
            Taken(wait / 1e6, left, more / 1e6)
            for wait, left, more in zip(numbers, numbers, numbers, strict=True)
        ]

    def _learn_clock(self, now: float, sent: float, received: float) -> None:
        # The backend's clock read ``now`` between sending and receiving. The time of receiving gives a lower
        # bound of the lead. The largest of several lower bounds is the closest, unless the clock was set
        # back.
        least, most = now - received, now - sent
        if self._ahead is None or not least <= self._ahead <= most:
            self._ahead = least

    async def close(self) -> None:
        await self._redis.aclose()


def _no_url() -> QotGateError:
    # The message repeats nothing of the URL: its password may be anywhere in it.
    return QotGateError(
        "--limit-store takes redis://[USER:PASSWORD@]HOST[:PORT][/NUMBER], rediss:// with TLS, valkey:// or "
        "valkeys:// in their place, or unix://PATH; in a password, /, ?, # and @ are %2F, %3F, %23 and %40."
    )


def _name(url: str) -> str:
    """The URL without its user and password. Raises QotGateError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _no_url() from None
    if parts.scheme not in SCHEMES or parts.fragment or "@" in parts.path + parts.query:
        raise _no_url()
    if parts.scheme == "unix":
        if not parts.path:
            raise _no_url()
        return f"unix://{parts.path}"
    number = parts.path.removeprefix("/")
    if not host or (number and not number.isdecimal()):
        raise _no_url()
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}:{port or 6379}/{number or 0}"
