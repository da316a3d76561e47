"""Reads the options again while the gateway runs: applies every option that can change at once, or none of
them if anything is wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import structlog

from qotgate.gateway import GatewayOptions
from qotgate.model import QotGateError
from qotgate.service.columns.cache import ColumnCache
from qotgate.service.questions import Questions
from qotgate.service.reference import Reference, load_reference
from qotgate.serving.gateway_options import allow_files, gateway_options
from qotgate.serving.settings import NEXT_START, OPTIONS, Settings, read_settings
from qotgate.serving.upstream_options import MakeUpstream, make_upstream
from qotgate.serving.web_options import web_options
from qotgate.store import Store

FILES = ("rsa_key", "websocket_cert", "websocket_private_key")
"""Options that name a file, whose contents may change under the same name."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Configuration:
    """The options, and the files that they name, read and checked."""

    settings: Settings
    options: GatewayOptions
    reference: Reference
    digests: dict[str, str]
    make_upstream: MakeUpstream | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Configuration":
        """Raises QotGateError."""
        options = gateway_options(settings)
        if not settings.no_http:
            web_options(settings)
        reference = load_reference(settings.tables)
        allow_files(options.max_connections)
        digests = {**_digests(settings), "tables": reference.digest}
        return cls(settings, options, reference, digests, make_upstream(settings))

    def questions(self, store: Store, columns: ColumnCache | None = None) -> Questions:
        """The questions answered from ``store``; ``columns`` are those already in memory, if any."""
        settings = self.settings
        if columns is None:
            columns = ColumnCache(store, settings.data_cache_bytes)
        else:
            columns.change(settings.data_cache_bytes)
        return Questions(
            store,
            self.reference,
            lang=settings.lang,
            funds=settings.named_funds,
            window_days=settings.window_days,
            columns=columns,
        )


def read_again(
    now: Configuration, flags: dict[str, Any], check: Callable[[Configuration], None] | None = None
) -> Configuration | None:
    """The configuration as it is now in the files; None if it is wrong or fails ``check``, which raises
    QotGateError. The outcome is logged."""
    try:
        wanted = read_settings(**flags)
        # Checks every option, also those that a reload does not apply.
        Configuration.of(wanted)
        held = [*NEXT_START]
        if now.settings.limit_store is not None:
            # Gateways that share a limit backend share one limit.
            held.append("rate_limit")
        if now.settings.max_connections_per_address is not None:
            held.append("max_connections")
        later = _different(now.settings, wanted, held)
        if (now.settings.websocket_cert is None) != (wanted.websocket_cert is None):
            later += ["websocket_cert", "websocket_private_key"]
        found = Configuration.of(wanted.keeping(later, now.settings))
        if check is not None:
            check(found)
        names = [name for name in OPTIONS if name not in NEXT_START]
        changed = _different(now.settings, found.settings, names)
        changed += [name for name in found.digests if found.digests[name] != now.digests.get(name)]
    except QotGateError as error:
        log.error("configuration kept", reason=str(error))  # noqa: TRY400 - it says all
        return None
    log.info("configuration reloaded", changed=sorted(set(changed)))
    if later:
        log.warning("options take a restart", options=sorted(later))
    return found


def _different(one: Settings, other: Settings, names: Any) -> list[str]:
    return [name for name in names if getattr(one, name) != getattr(other, name)]


def _digests(settings: Settings) -> dict[str, str]:
    found = {}
    for name in FILES:
        path = getattr(settings, name)
        if path is not None:
            try:
                found[name] = sha256(path.read_bytes()).hexdigest()
            except OSError as error:
                raise QotGateError(f"{path} cannot be read: {error.strerror}.") from error
    return found
