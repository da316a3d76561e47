"""Cursors: opaque, signed, and bound to one question."""

import hmac
from datetime import date
from json import JSONEncoder
from typing import NamedTuple, TypeVar

from itsdangerous import BadData, HMACAlgorithm, Signer, URLSafeSerializer
from itsdangerous.encoding import base64_encode

from qotgate.model import InvalidRequest


class Cursor(NamedTuple):
    """Where the next page of rating changes starts: after the row of ``day`` and ``row_id``.

    It has the generation of the data of its first page, so that later pages come from the same generation
    while newer ones are loaded.
    """

    generation: int
    as_of: str
    all_count: int
    day: str
    row_id: int

    @property
    def after(self) -> tuple[date, int]:
        return date.fromisoformat(self.day), self.row_id


class ListCursor(NamedTuple):
    """Where the next page of a list as of a day starts, and the ``digest`` of the whole list, which shows a
    later page whether the list has changed."""

    as_of: str
    offset: int
    digest: str


class PartCursor(NamedTuple):
    """Where the next part of a research table starts: the day ``start``, in the generation of the first
    part."""

    generation: int
    as_of: str
    start: str


class SummaryCursor(NamedTuple):
    """Where the next page of a security's institutions starts, and the ``newest_note`` at the first page:
    later pages ignore newer notes."""

    generation: int
    as_of: str
    newest_note: int
    offset: int


class _Sha1(HMACAlgorithm):
    """The signature of :class:`itsdangerous.Signer`, in one call of OpenSSL instead of a dozen of Python."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return hmac.digest(key, value, "sha1")


_JSON = JSONEncoder(separators=(",", ":"))
AnyCursor = TypeVar("AnyCursor", Cursor, ListCursor, PartCursor, SummaryCursor)


class Cursors:
    """Writes and reads cursors; ``secret`` belongs to the database, so that gateways on one database accept
    each other's cursors."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def write(
        self, question: tuple[str, ...], cursor: Cursor | ListCursor | PartCursor | SummaryCursor
    ) -> str:
        """Equal to the format of URLSafeSerializer, but never compressed: that would take most of the
        time."""
        payload = base64_encode(_JSON.encode(cursor))
        return Signer(self._secret, _salt(question), algorithm=_Sha1()).sign(payload).decode()

    def read(self, question: tuple[str, ...], text: str, kind: type[AnyCursor]) -> AnyCursor:
        """Raises InvalidRequest for a cursor of another question, or of another version."""
        try:
            values = URLSafeSerializer(self._secret, _salt(question)).loads(text)
        except (BadData, UnicodeError, RecursionError) as error:
            raise InvalidRequest("page") from error
        # Gateways of two versions may share a database, and therefore the secret.
        types = [*kind.__annotations__.values()]
        if not isinstance(values, list) or [type(one) for one in values] != types:
            raise InvalidRequest("page")
        return kind(*values)


def _salt(question: tuple[str, ...]) -> str:
    return "\x1f".join(("qotgate.cursor", *question))
