"""Finds personal values in OpenD's messages, and replaces them by stand-ins in a recording.

A stand-in is computed from the value and a secret key by HMAC-SHA256. A value has the same stand-in in every
recording made with the key; without the key the value cannot be recovered, however short it is. Numbers stay
numbers of the same type, and texts keep letters, digits and signs in their places. 0 and "" stay, since they
name nothing.

Rules go by field name, and apply to every message unless they name some. They come from a review of all
messages of futu-api 10.11.7108; a test checks the messages of the installed package.
"""

import hmac
import re
import secrets
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs

from qotgate.model import QotGateError

NEVER_RECORDED = {1006, 1008, 2005}
"""Verification and Trd_UnlockTrade, which carry codes and passwords, and TestCmd, which may carry
anything."""
KEY_BYTES = 32
PERSONAL = {
    "accID": "account",
    "accIDList": "account",
    "cardNum": "account",
    "uniCardNum": "account",
    "competitionAccName": "name",
    "orderID": "order",
    "orderIDEx": "order",
    "orderIDExList": "order",
    "orderIdExList": "order",
    "fillID": "order",
    "fillIDEx": "order",
    "idList": "order",
    "positionID": "order",
    "comboID": "order",
    "quoteID": "order",
    "quoteId": "order",
    "cashFlowID": "order",
    "cashFlowRemark": "name",
    "userID": "user",
    "loginUserID": "user",
    "nickName": "name",
    "avatarUrl": "user",
    "webKey": "user",
    "webJumpUrlHead": "user",
    "clientID": "device",
    "qotSvrIpAddr": "device",
    "trdSvrIpAddr": "device",
    "connID": "connection",
    "serialNo": "connection",
    "connAESKey": "connection",
    "aesCBCiv": "connection",
    "pwdMD5": "user",
    "key": "alert",
}
"""Fields whose values are replaced, and the kind of each value. Equal values of one kind have the same
stand-in, in whichever field."""
ALERTS = (
    *("Qot_SetPriceReminder", "Qot_GetPriceReminder", "Qot_UpdatePriceReminder"),
    *("Qot_GetOptionEventAlert", "Qot_SetOptionEventAlert"),
)
ONLY_IN = {
    "orderID": ("Trd_", "GetDelayStatistics."),
    "idList": ("Trd_",),
    "key": tuple(f"{name}." for name in ALERTS),
}
"""Prefixes of the messages that a rule applies to: order ids in Qot_Common are the exchange's, and keys
elsewhere are page keys."""
SENTENCES = {"retMsg", "desc", "strExtDesc", "lastErrMsg"}
"""Fields with OpenD's own sentences, in which anything that looks personal is replaced."""
OWN_WORDS = {"remark", "note", "groupName", "watchlistGroupName"}
"""Fields with the user's own words, by which a program finds its orders and groups. They stay, except for
e-mail addresses and values that are replaced elsewhere."""
LOOKED_FOR = {"account", "order", "user", "name"}
"""Kinds of values that are also replaced within texts, once they have occurred in a field of their own."""
SHORTEST_KNOWN = 5
"""The shortest value that is replaced within texts, in characters; two if some are not ASCII."""
MAX_KNOWN = 2000
"""The number of values that are replaced within texts; later ones are not."""
DIGITS = (15, 18)
"""Digits of a 64-bit stand-in: enough that two values hardly collide, and within the type."""
LOOKS_PERSONAL = re.compile(
    r"acc(?!um|el)|card|order_?id|fill_?id|position_?id|flow_?id|combo_?id|quote_?id|user(?!t)|login|nick|avatar|phone"
    r"|mobile|mail|device|imei(?!n)|conn|packet|serial|client|pwd|passw|token|secret|key|addr|remark(?!et)|note(?!s)"
    r"|group_?name|person|birth|passport|identity|contact(?!s)|u_?id$|id_?list$|desc$|msg$",
    re.IGNORECASE,
)
"""Field names that may be personal, for a test and for a recording's reviewer."""
NOT_PERSONAL = {
    # Kinds and states, not identities.
    *(
        "accRole",
        "accStatus",
        "accType",
        "jpAccType",
        "simAccType",
        "needGeneralSecAccount",
        "userAttribution",
    ),
    *("clientVer", "packetEncAlgo", "isOwnConnData", "isReqAllConn", "qotLogined", "trdLogined"),
    # Page keys, and search terms for the market.
    *("nextKey", "nextPageKey", "nextReqKey", "keyword", "searchKey", "time_key", "plateIdList"),
    # Names and texts of companies, institutions and analysts.
    *("accountingStandards", "eventProceDesc", "sourceGroupName", "analystUid", "institutionUid", "uid"),
    # Any participant's orders at the exchange.
    *("Qot_Common.Broker.orderID", "Qot_Common.OrderBookDetail.orderID"),
}
"""Fields with names that look personal, found not to be in a review of their messages."""
CHECK = 97
"""Stand-ins made of digits leave 1 when divided by this; few real numbers do."""
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]+\.[\w.-]+")
"""Matches only at the start of a word, so that long words take linear time."""
_LONG_NUMBER = re.compile(r"\d{4}-\d\d-\d\d|(?<![A-Za-z\d])(\+\d[\d* -]{5,}\d|\d[\d*-]{5,}\d)(?![A-Za-z\d])")
"""A date, to be skipped; or a number of seven digits or more, perhaps formatted as a phone number."""


def user_key() -> bytes:
    """The key of this user's stand-ins, stored in the user's data folder. Raises QotGateError."""
    try:
        folder = platformdirs.user_data_path("qotgate")
    except RuntimeError as error:
        raise QotGateError(
            "This account has no home folder, where the key of a recording's stand-ins is kept: set HOME."
        ) from error
    return read_key(folder / "recording.key")


def read_key(path: Path) -> bytes:
    """The key of this user's stand-ins in ``path``; created at first use.

    Raises QotGateError if it cannot be read or written.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_bytes(secrets.token_bytes(KEY_BYTES))
        key = path.read_bytes()
    except OSError as error:
        raise QotGateError(f"The key of the stand-ins, {path}, cannot be used: {error.strerror}.") from error
    if len(key) != KEY_BYTES:
        raise QotGateError(f"The key of the stand-ins, {path}, has {len(key)} bytes instead of {KEY_BYTES}.")
    return key


def personal_kind(message: str, field: str) -> str | None:
    """The kind of personal value in a field of a message, both by name; None if the field stays as it is."""
    only = ONLY_IN.get(field)
    if only is not None and not message.startswith(only):
        return None
    return PERSONAL.get(field)


class Plan(NamedTuple):
    """The fields of a message class to check."""

    personal: tuple[tuple[Any, str], ...]
    texts: tuple[Any, ...]
    parts: "tuple[tuple[Any, Any], ...]"
    """Fields whose messages have something to check, and the descriptors of these messages."""


class Scrubber:
    """Replaces personal values in messages by stand-ins made with ``key``."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._known: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None

    def scrub(self, message: Any) -> None:
        """Replace the personal values in ``message``, in place."""
        self._replace(message)
        self._clean(message)

    def stand_in(self, kind: str, value: Any, *, bits: int = 64) -> Any:
        """The stand-in of a value, with the same type; an int has at most ``bits`` bits."""
        if isinstance(value, int):
            if value == 0:
                return 0
            length = min(max(len(str(abs(value))), DIGITS[0]), DIGITS[1])
            if bits < 64:
                length = 9
            made = int(self._digits(kind, str(abs(value)), length))
            return made if value > 0 else -made
        if not isinstance(value, str) or not value:
            return value
        if kind == "name":
            return f"name-{self._digest(kind, value).hex()[:8]}"
        if value.isascii() and value.isdigit():
            return self._digits(kind, value, max(len(value), 8))
        return self._shaped(kind, value)

    def _replace(self, message: Any) -> None:
        plan = plan_of(message.DESCRIPTOR)
        for field, kind in plan.personal:
            bits = 32 if field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_UINT32) else 64
            value = getattr(message, field.name)
            if is_repeated(field):
                value[:] = [self._known_stand_in(kind, one, bits) for one in value]
            elif message.HasField(field.name):
                setattr(message, field.name, self._known_stand_in(kind, value, bits))
        for part in parts_of(message, plan):
            self._replace(part)

    def _clean(self, message: Any) -> None:
        plan = plan_of(message.DESCRIPTOR)
        for field in plan.texts:
            value = getattr(message, field.name)
            if value and isinstance(value, str):
                clean = self._clean_text(value, sentence=field.name in SENTENCES)
                if clean != value:
                    setattr(message, field.name, clean)
        for part in parts_of(message, plan):
            self._clean(part)

    def _known_stand_in(self, kind: str, value: Any, bits: int) -> Any:
        made = self.stand_in(kind, value, bits=bits)
        text = str(value)
        long_enough = len(text) >= (SHORTEST_KNOWN if text.isascii() else 2)
        if kind in LOOKED_FOR and long_enough and text not in self._known and len(self._known) < MAX_KNOWN:
            self._known[text] = str(made)
            self._pattern = None
        return made

    def _clean_text(self, text: str, *, sentence: bool) -> str:
        if self._known:
            if self._pattern is None:
                longest_first = sorted(self._known, key=len, reverse=True)
                either = "|".join(map(re.escape, longest_first))
                self._pattern = re.compile(f"(?<![A-Za-z0-9])(?:{either})(?![A-Za-z0-9])")
            text = self._pattern.sub(lambda found: self._known[found[0]], text)
        text = _EMAIL.sub(lambda found: f"{self._digest('user', found[0]).hex()[:8]}@example.com", text)
        if sentence:
            stand_ins = set(self._known.values())
            text = _LONG_NUMBER.sub(
                lambda found: (
                    self._shaped("user", found[0]) if found[1] and found[0] not in stand_ins else found[0]
                ),
                text,
            )
        return text

    def _digest(self, kind: str, value: str) -> bytes:
        return hmac.digest(self._key, f"{kind}:{value}".encode(), sha256)

    def _digits(self, kind: str, value: str, length: int) -> str:
        number = int.from_bytes(self._digest(kind, value), "big")
        number = number % (9 * 10 ** (length - 1) - CHECK) + 10 ** (length - 1)
        return str(number + (1 - number) % CHECK)

    def _shaped(self, kind: str, value: str) -> str:
        """Another text with digits, letters and signs in the same places; a short text gets longer."""
        stream, made = self._stream(kind, value), []
        for sign in value:
            number = next(stream)
            if sign.isdigit():
                made.append(str(number % 10))
            elif sign.isascii() and not sign.isalpha():
                made.append(sign)
            else:
                letter = chr(ord("a") + number % 26)
                made.append(letter.upper() if sign.isupper() else letter)
        short = SHORTEST_KNOWN + 3 - sum(sign.isalnum() for sign in made)
        return "".join(made) + "".join(str(next(stream) % 10) for _ in range(short))

    def _stream(self, kind: str, value: str) -> Iterator[int]:
        block = self._digest(kind, value)
        while True:
            yield from block
            block = hmac.digest(self._key, block, sha256)


def personal_text(text: Any) -> bool:
    """Whether a sentence has an e-mail address that is not a stand-in."""
    if not isinstance(text, str):
        return False
    return any(not found.endswith("@example.com") for found in _EMAIL.findall(text))


def may_be_stand_in(kind: str, value: Any) -> bool:
    """Whether a field's value can be a stand-in; unknowable for texts of letters and signs."""
    text = str(value)
    if text in ("", "0"):
        return True
    if kind == "name":
        return re.fullmatch("name-[0-9a-f]{8}", text) is not None
    return not text.isdigit() or int(text) % CHECK == 1


def is_repeated(field: Any) -> bool:
    # ``label`` is deprecated since protobuf 6, and its replacement is missing in protobuf 4.
    repeated = getattr(field, "is_repeated", None)
    return bool(repeated) if repeated is not None else field.label == field.LABEL_REPEATED


def parts_of(message: Any, plan: Plan) -> Iterator[Any]:
    """The messages within ``message`` that have something to check."""
    for field, _ in plan.parts:
        if is_repeated(field):
            yield from getattr(message, field.name)
        elif message.HasField(field.name):
            yield getattr(message, field.name)


@cache
def plan_of(descriptor: Any) -> Plan:
    """The plan for messages of this descriptor, including messages that contain themselves."""
    return _plan(descriptor, ())


def _plan(descriptor: Any, above: Sequence[str]) -> Plan:
    personal, texts, parts = [], [], []
    for field in descriptor.fields:
        if field.message_type is not None:
            part = field.message_type
            within = part.full_name in above or _plan(part, [*above, descriptor.full_name]) != ((), (), ())
            if part.full_name == descriptor.full_name or within:
                parts.append((field, part))
            continue
        kind = personal_kind(descriptor.full_name, field.name)
        if kind is not None:
            personal.append((field, kind))
        elif field.name in SENTENCES | OWN_WORDS and field.cpp_type == field.CPPTYPE_STRING:
            texts.append(field)
    return Plan(tuple(personal), tuple(texts), tuple(parts))
