"""The options of the gateway, checked, with the files that they name read."""

import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from qotgate.gateway import GatewayOptions, WebSocketOptions
from qotgate.limits.window import RateLimit
from qotgate.model import QotGateError, is_loopback
from qotgate.serving.secrecy import key_md5
from qotgate.serving.settings import Settings

if TYPE_CHECKING:
    from qotgate.protocol.cipher import RsaKey

OTHER_FILES = 128
"""Files that a gateway opens besides its connections: the database, pipes, a certificate; generously."""


def allow_files(connections: int) -> None:
    """Raise the limit of open files to one for each of ``connections``, and as many again if possible: a
    connection still in its TLS handshake has no slot but takes a file. Raises QotGateError."""
    if sys.platform == "win32":
        return
    import resource

    wanted = connections + OTHER_FILES
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return
    if most == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(allowed, wanted), most))
        return
    if wanted > most:
        raise QotGateError(
            f"--max-connections {connections} takes {wanted} open files, and the system allows {most}; "
            "raise that with ulimit -n."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def free_research(settings: Settings) -> bool:
    """Whether local clients read research tables without a limit. They do if no limit is configured; the
    documented default then holds for the published clients' questions."""
    return "rate_limit" not in settings.given


def read_key(path: Path | None) -> "RsaKey | None":
    """The RSA key in a file. Raises QotGateError."""
    if path is None:
        return None
    # Imported late: most gateways have no key.
    from qotgate.protocol.cipher import RsaKey

    return RsaKey.load(path)


def gateway_options(settings: Settings) -> GatewayOptions:
    """The options of the gateway. Raises QotGateError."""
    rate_limit = RateLimit.parse(settings.rate_limit)
    if settings.limit_store is not None and rate_limit is None:
        raise QotGateError("--limit-store has nothing to count with --rate-limit off: leave one of them out.")
    return GatewayOptions(
        host=settings.host,
        port=settings.port,
        max_connections=settings.max_connections,
        max_connections_per_address=settings.max_connections_per_address,
        keep_alive_interval=settings.keep_alive_interval,
        request_limit=settings.request_limit,
        rate_limit=rate_limit,
        free_research=free_research(settings),
        rate_limit_scope=settings.rate_limit_scope,
        limit_store=settings.limit_store.value if settings.limit_store else None,
        limit_store_down=settings.limit_store_down,
        lang=settings.lang,
        rsa_key=read_key(settings.rsa_key),
        allow_plaintext=settings.allow_plaintext,
        drain_seconds=settings.drain_seconds,
        log_requests=settings.log_level == "debug",
        slow_seconds=settings.slow_seconds,
        websocket=_websocket_options(settings),
    )


def _websocket_options(settings: Settings) -> WebSocketOptions | None:
    if settings.websocket_port is None:
        return None
    cert, private_key = settings.websocket_cert, settings.websocket_private_key
    if (cert is None) != (private_key is None):
        raise QotGateError("--websocket-cert and --websocket-private-key go together.")
    if cert is None and not is_loopback(settings.websocket_host):
        raise QotGateError(
            f"--websocket-host {settings.websocket_host} is open to other machines: "
            "name a certificate with --websocket-cert and --websocket-private-key."
        )
    md5 = settings.websocket_key_md5
    if settings.websocket_key is not None and md5 is not None:
        raise QotGateError("--websocket-key and --websocket-key-md5 name one key: give one of them.")
    if settings.websocket_key is not None:
        md5 = key_md5(settings.websocket_key.value)
    tls = None if cert is None or private_key is None else _tls(cert, private_key)
    return WebSocketOptions(
        settings.websocket_host, settings.websocket_port, md5, tls, settings.websocket_origins
    )


def _tls(cert: Path, private_key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # A Python client that reads in one thread and sends in another may lose what it sends while a session
    # ticket arrives: OpenSSL forbids both at once (python/cpython issue 143756).
    context.num_tickets = 0
    try:
        context.load_cert_chain(cert, private_key)
    except OSError as error:  # including ssl.SSLError
        raise QotGateError(
            f"The certificate {cert} and private key {private_key} cannot be used: {error.strerror or error}."
        ) from error
    return context
