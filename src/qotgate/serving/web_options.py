"""The options of HTTP, checked."""

from qotgate.limits.window import RateLimit
from qotgate.model import QotGateError
from qotgate.serving.gateway_options import free_research
from qotgate.serving.settings import Settings
from qotgate.web.options import WebOptions
from qotgate.web.signing import WebhookOptions

DEFAULT_PORT = 8080


def http_port(settings: Settings) -> int:
    return DEFAULT_PORT if settings.http_port is None else settings.http_port


def web_options(settings: Settings) -> WebOptions:
    """The options of HTTP. Raises QotGateError for unsafe options."""
    token = settings.http_token
    return WebOptions(
        host=settings.http_host,
        port=http_port(settings),
        token=token.value if token else None,
        max_connections_per_address=settings.max_connections_per_address,
        rate_limit=RateLimit.parse(settings.rate_limit),
        free_research=free_research(settings),
        webhook=_webhook(settings),
    )


def _webhook(settings: Settings) -> WebhookOptions | None:
    if settings.webhook_url is None:
        return None
    if settings.webhook_secret is None:
        raise QotGateError("webhook_url takes a webhook_secret beside it, which signs what is sent.")
    secret = settings.webhook_secret.value
    return WebhookOptions(settings.webhook_url, secret, settings.webhook_follow)
