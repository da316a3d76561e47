"""The options of the webhook, and the signature of its requests.

Requests follow Standard Webhooks (https://www.standardwebhooks.com), which has libraries in many languages.
The signature is HMAC-SHA256 over the id, the time and the body, separated by dots.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit

from qotgate.model import QotGateError

LEAST = 16
"""Shortest secret, in characters."""
PREFIX = "whsec_"
"""Prefix of a base64 secret."""


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """Where news is sent, the secret that signs it, and what is followed: codes, funds and institutions, or
    everything if none is named. Raises QotGateError for unsafe options."""

    url: str
    secret: str
    follow: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise QotGateError("webhook_url takes a URL that begins with http:// or https://.")
        if len(self.secret) < LEAST:
            raise QotGateError(f"webhook_secret takes at least {LEAST} characters.")
        self.key()

    def key(self) -> bytes:
        """The signing key: decoded base64 after ``whsec_``, or any other text unchanged. Raises
        QotGateError."""
        if not self.secret.startswith(PREFIX):
            return self.secret.encode()
        try:
            return base64.b64decode(self.secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            raise QotGateError(f"webhook_secret takes base64 after {PREFIX}.") from None

    def sign(self, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        """The headers of a request with ``body``; ``timestamp`` in seconds since 1970."""
        signed = f"{message_id}.{timestamp}.".encode() + body
        digest = base64.b64encode(hmac.digest(self.key(), signed, sha256)).decode()
        return {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": f"v1,{digest}",
        }
