"""The options about an OpenD behind the gateway, checked, with the files that they name read.

The relay is imported for a gateway with an upstream: most have none.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from qotgate.model import QotGateError, is_loopback
from qotgate.protocol.interface import OWN_QUESTIONS
from qotgate.protocol.names import PacketEncAlgo
from qotgate.relay.upstream import Upstream
from qotgate.serving.gateway_options import read_key
from qotgate.serving.settings import Settings

if TYPE_CHECKING:
    from qotgate.relay.opend import OpenDOptions

MakeUpstream: TypeAlias = Callable[[], Upstream]
"""Makes the upstream of one event loop; each worker has its own."""
PORT = 11111
ALGORITHMS = {
    "aes_cbc": PacketEncAlgo.AES_CBC,
    "aes_ecb": PacketEncAlgo.AES_ECB,
    "ftaes_ecb": PacketEncAlgo.FTAES_ECB,
}
NEEDS_UPSTREAM = ("upstream_rsa_key", "upstream_for", "upstream_trade", "upstream_cache", "record")
"""Options that need --upstream."""


def make_upstream(settings: Settings) -> MakeUpstream | None:
    """A function that makes the configured upstream, None if there is none. Raises QotGateError."""
    options = opend_options(settings)
    alone = ("record", "replay")
    for name in alone:
        if getattr(settings, name) is not None and (settings.workers > 1 or settings.handover is not None):
            raise QotGateError(f"--{name} takes one process: leave out --workers and --handover.")
    if settings.replay is not None:
        return _make_replay(settings.replay, settings)
    if settings.replay_strict or "replay_speed" in settings.given:
        raise QotGateError("--replay-speed and --replay-strict take --replay FILE, too.")
    if options is None:
        return None
    from qotgate.relay.opend import OpenD

    if settings.record is not None:
        record = settings.record
        return lambda: _recorded(OpenD(options), record)
    return lambda: OpenD(options)


def _make_replay(path: Path, settings: Settings) -> MakeUpstream:
    if settings.upstream is not None:
        raise QotGateError("--replay answers in place of --upstream: give one of them.")
    from qotgate.relay.recorded import Recording
    from qotgate.relay.replay import Replay

    recording = Recording(path)
    return lambda: Replay(recording, speed=settings.replay_speed, strict=settings.replay_strict)


def _recorded(upstream: Upstream, path: Path) -> Upstream:
    """Raises QotGateError, also if another gateway records into the file."""
    from qotgate.relay.published import known_messages
    from qotgate.relay.recorder import Recorder, RecordingUpstream
    from qotgate.relay.recording import RecordingFile
    from qotgate.relay.scrubbing import user_key

    key = user_key()
    messages = known_messages()
    return RecordingUpstream(upstream, Recorder(RecordingFile(path, messages.source), key, messages))


def opend_options(settings: Settings) -> "OpenDOptions | None":
    """The OpenD in the options. Raises QotGateError."""
    if settings.upstream is None:
        for name in NEEDS_UPSTREAM:
            if getattr(settings, name):
                raise QotGateError(f"--{name.replace('_', '-')} takes --upstream HOST:PORT, too.")
        return None
    host, port = _address(settings.upstream)
    if port == settings.port and _is_our_own(host, settings.host):
        raise QotGateError(
            f"--upstream {settings.upstream} is the gateway's own port: start the gateway with another "
            "--port, or OpenD on another port."
        )
    from qotgate.relay.opend import OpenDOptions

    return OpenDOptions(
        host,
        port,
        read_key(settings.upstream_rsa_key),
        ALGORITHMS[settings.upstream_encryption],
        OWN_QUESTIONS - set(settings.upstream_for),
        settings.upstream_trade,
        settings.upstream_cache,
    )


def _address(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``, ``HOST`` or ``[IPV6]:PORT``. Raises QotGateError."""
    host, colon, port = text.rpartition(":")
    if not colon or (":" in text and text.endswith("]")) or (":" in host and not host.startswith("[")):
        host, port = text, str(PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise QotGateError(f"--upstream takes HOST:PORT, such as 127.0.0.1:{PORT}, not {text!r}.")
    return host, int(port)


def _is_our_own(host: str, listening: str) -> bool:
    # For comparison only, not to listen on.
    everywhere = listening in ("0.0.0.0", "::")  # noqa: S104  # nosec B104
    return host == listening or (is_loopback(host) and (everywhere or is_loopback(listening)))
