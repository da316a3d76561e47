"""The stand-ins for personal values in a recording, over all messages of the published package."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qotgate.model import QotGateError
from qotgate.relay.published import Messages, known_messages
from qotgate.relay.scrubbing import (
    LOOKS_PERSONAL,
    NEVER_RECORDED,
    NOT_PERSONAL,
    OWN_WORDS,
    SENTENCES,
    Scrubber,
    personal_kind,
    read_key,
)

ABOUT_USER = ("Trd_", "GetUserInfo.", "InitConnect.", "Notify.", "GetGlobalState.", "Common.", "GetDelay")
"""The messages that are about the user, where each text and each 64-bit number was looked at."""
NOT_ABOUT_USER = {
    *("code", "codeList", "name", "counterBrokerName", "title", "pdtSeq", "time"),
    *("expireTime", "clearingDate", "settlementDate", "createTime", "updateTime", "beginTime", "endTime"),
    *(
        "startCreateDate",
        "endCreateDate",
        "cashFlowType",
        "apiLevel",
        "updateWhatsNew",
        "programmingLanguage",
    ),
}
"""Their fields that are about securities, brokers, times, and the package."""
KEY = b"k" * 32


@pytest.fixture(scope="module")
def messages() -> Messages:
    messages = known_messages()
    assert messages.source is not None
    return messages


def fields(messages: Messages) -> Iterator[tuple[str, Any]]:
    for name, kind in messages.classes.items():
        for field in kind.DESCRIPTOR.fields:
            if field.message_type is None:
                yield name, field


def test_every_field_that_looks_personal_has_a_rule_or_was_looked_at(messages: Messages) -> None:
    """A field that a new release of the package adds fails here until it has been reviewed."""
    not_read = {
        f"{name}.{field.name}"
        for name, field in fields(messages)
        if LOOKS_PERSONAL.search(field.name)
        and personal_kind(name, field.name) is None
        and field.name not in SENTENCES | OWN_WORDS | NOT_PERSONAL
        and f"{name}.{field.name}" not in NOT_PERSONAL
    }
    assert not_read == set()


def test_every_text_and_number_about_the_user_was_looked_at(messages: Messages) -> None:
    not_read = {
        f"{name}.{field.name}"
        for name, field in fields(messages)
        if name.startswith(ABOUT_USER)
        and field.cpp_type in (field.CPPTYPE_STRING, field.CPPTYPE_INT64, field.CPPTYPE_UINT64)
        and personal_kind(name, field.name) is None
        and field.name not in SENTENCES | OWN_WORDS | NOT_PERSONAL | NOT_ABOUT_USER
    }
    assert not_read == set()


def test_each_rule_is_for_a_field_that_there_is(messages: Messages) -> None:
    """The field exists, and a stand-in fits its type."""
    found = {field.name: field for name, field in fields(messages) if personal_kind(name, field.name)}
    assert {"accID", "orderID", "orderIDEx", "fillID", "loginUserID", "userID", "cardNum"} <= set(found)
    for field in found.values():
        whole = (field.CPPTYPE_INT64, field.CPPTYPE_UINT64, field.CPPTYPE_UINT32)
        assert field.cpp_type in (*whole, field.CPPTYPE_STRING), field.full_name
        assert field.type != field.TYPE_BYTES, field.full_name


def filled(kind: Any, above: tuple[str, ...] = ()) -> Any:
    """A message with a value in every field."""
    message = kind()
    for field in kind.DESCRIPTOR.fields:
        if field.message_type is not None:
            if field.message_type.full_name in above:
                continue
            part = filled(field.message_type._concrete_class, (*above, field.message_type.full_name))
            value = getattr(message, field.name)
            value.add().CopyFrom(part) if hasattr(value, "add") else value.CopyFrom(part)
            continue
        value = {field.CPPTYPE_STRING: "Secret-20260620", field.CPPTYPE_BOOL: True}.get(field.cpp_type, 1)
        if field.cpp_type == field.CPPTYPE_ENUM:
            value = field.enum_type.values[0].number
        if field.type == field.TYPE_BYTES:
            value = b"1"
        if field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64):
            value = 281756455983
        repeated = hasattr(getattr(message, field.name), "append")
        getattr(message, field.name).append(value) if repeated else setattr(message, field.name, value)
    return message


def values(message: Any) -> Iterator[tuple[str, str, Any]]:
    """Each value, with the name of its message and its own."""
    for field, value in message.ListFields():
        if field.message_type is None:
            many = value if hasattr(value, "append") else [value]
            yield from ((message.DESCRIPTOR.full_name, field.name, one) for one in many)
        else:
            for part in value if hasattr(value, "add") else [value]:
                yield from values(part)


def test_all_messages_are_scrubbed_wherever_the_field_stands(messages: Messages) -> None:
    scrubber = Scrubber(KEY)
    checked = 0
    for kind in [*messages.requests.values(), *messages.responses.values()]:
        message = filled(kind)
        before = list(values(message))
        scrubber.scrub(message)
        for (name, field, old), (_, _, new) in zip(before, values(message), strict=True):
            assert type(old) is type(new)
            if personal_kind(name, field):
                assert old != new, f"{name}.{field}"
                checked += 1
            elif field not in SENTENCES | OWN_WORDS:
                assert old == new, f"{name}.{field}"
    assert checked > 100


def test_equal_values_have_equal_stand_ins(messages: Messages) -> None:
    order = messages.classes["Trd_Common.Order"](orderID=281756455983, orderIDEx="FH0000000000000001")
    changed = messages.requests[2205]()
    changed.c2s.orderID, changed.c2s.orderIDEx = order.orderID, order.orderIDEx
    first, second = Scrubber(KEY), Scrubber(KEY)
    first.scrub(order)
    second.scrub(changed)
    assert (order.orderID, order.orderIDEx) == (changed.c2s.orderID, changed.c2s.orderIDEx)
    another = messages.classes["Trd_Common.Order"](orderID=281756455983)
    Scrubber(b"another key".ljust(32)).scrub(another)
    assert another.orderID != order.orderID


def test_what_names_nothing_stays(messages: Messages) -> None:
    request = messages.requests[2205]()
    request.c2s.orderID, request.c2s.orderIDEx = 0, ""
    Scrubber(KEY).scrub(request)
    assert (request.c2s.orderID, request.c2s.orderIDEx) == (0, "")
    assert not request.c2s.header.HasField("accID")


@given(st.integers(1, 2**64 - 1), st.integers(1, 2**64 - 1))
def test_numbers_stay_64_bit_numbers(one: int, other: int) -> None:
    scrubber = Scrubber(KEY)
    made = scrubber.stand_in("account", one), scrubber.stand_in("account", other)
    assert all(10**14 <= number < 2**63 for number in made)
    assert (made[0] == made[1]) == (one == other)
    assert scrubber.stand_in("account", -one) == -made[0]


@given(st.text(min_size=1, max_size=40))
def test_texts_keep_their_shape(text: str) -> None:
    made = Scrubber(KEY).stand_in("order", text)
    assert made != text
    assert made.encode()
    if text.isascii():
        assert len(made) >= len(text)
        assert [c for c in text if not c.isalnum()] == [c for c in made[: len(text)] if not c.isalnum()]


@pytest.mark.parametrize(
    ("said", "stays"),
    [
        ("Order of US.TSLA at 2026-06-20 09:30:00 refused: 100 shares of 00700, 600519", True),
        ("A code was sent to 13800138000", False),
        ("A code was sent to +86 138 0013 8000", False),
        ("A code was sent to 138****8000", False),
        ("Mail was sent to li.ming@example.org", False),
        ("Account 281756455983 is locked", False),
    ],
)
def test_sentences_lose_what_looks_personal(messages: Messages, said: str, stays: bool) -> None:
    answer = messages.responses[2202](retType=-1, retMsg=said)
    Scrubber(KEY).scrub(answer)
    assert (answer.retMsg == said) == stays
    words = [word for word in said.split() if word.isalpha()]
    assert [word for word in answer.retMsg.split() if word.isalpha()] == words


def test_texts_lose_what_is_replaced_elsewhere(messages: Messages) -> None:
    scrubber = Scrubber(KEY)
    user = messages.responses[1005](retType=0)
    user.s2c.nickName, user.s2c.userID = "王小明", 7654321
    scrubber.scrub(user)
    answer = messages.responses[2201](retType=0, retMsg="用户王小明(7654321)没有订单")
    order = answer.s2c.orderList.add(remark="grid-7654321 of 20260620123456")
    scrubber.scrub(answer)
    assert answer.retMsg == f"用户{user.s2c.nickName}({user.s2c.userID})没有订单"
    assert order.remark == f"grid-{user.s2c.userID} of 20260620123456"


def test_unlock_and_verification_are_never_recorded(messages: Messages) -> None:
    secret = {
        proto_id for proto_id, name in messages.names.items() if name in ("Trd_UnlockTrade", "Verification")
    }
    assert secret == {1006, 2005}
    assert secret <= NEVER_RECORDED


def test_the_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "recording.key"
    key = read_key(path)
    assert len(key) == 32
    assert read_key(path) == key
    assert path.stat().st_mode & 0o077 == 0
    path.write_bytes(b"short")
    with pytest.raises(QotGateError, match="has 5 bytes instead of 32"):
        read_key(path)
    with pytest.raises(QotGateError, match="cannot be used"):
        read_key(tmp_path)


def test_a_long_word_takes_no_longer_than_many_short_ones() -> None:
    """A megabyte would take hours if the search for addresses began at each letter."""
    message = known_messages().responses[3001](retType=0, retMsg="x" * 1_000_000 + " a.b@example.org")
    Scrubber(KEY).scrub(message)
    assert message.retMsg.startswith("x" * 1_000_000)
    assert "example.org" not in message.retMsg
