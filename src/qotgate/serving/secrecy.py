"""The secrets among the options."""

from hashlib import md5

from qotgate.serving.kinds import Secret
from qotgate.serving.settings import OPTIONS, Settings
from qotgate.store.database import parsed_url

SHORTEST = 4
"""Shortest secret that is hidden, in characters: hiding a shorter one would spoil the log."""
URLS = ("db", "limit_store")


def secrets_of(settings: Settings) -> list[str]:
    """The secrets that must never be shown, in each of their forms."""
    values = (getattr(settings, name) for name in OPTIONS if name not in URLS)
    found = [value.value.strip() for value in values if isinstance(value, Secret)]
    if settings.websocket_key is not None:
        found.append(key_md5(settings.websocket_key.value))
    if settings.websocket_key_md5 is not None:
        found += [settings.websocket_key_md5, settings.websocket_key_md5.lower()]
    if settings.http_token is not None:
        # Imported late: without HTTP it would double the time to start.
        from qotgate.web.safety import pass_of

        found.append(pass_of(settings.http_token.value))
    for name in URLS:
        found += _of_url(getattr(settings, name))
    return [secret for secret in found if len(secret) >= SHORTEST]


def key_md5(key: str) -> str:
    """The interface's own hash of a password. MD5 is no protection."""
    return md5(key.encode(), usedforsecurity=False).hexdigest()


def _of_url(url: str | Secret | None) -> list[str]:
    if url is None:
        return []
    if isinstance(url, Secret):
        url = url.value
    parsed = parsed_url(url)
    if parsed is None:
        return [url]
    password = parsed.password or ""
    # Both as written in the URL, perhaps quoted, and unquoted.
    quoted = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    in_query = [value for name, value in parsed.query.items() if "pass" in name.lower()]
    return [password, quoted, *(value for value in in_query if isinstance(value, str))]
