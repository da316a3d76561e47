"""Our messages, compared with the published clients' own: same names, numbers, types and labels."""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest

from qotgate.protocol.messages import CLASSES, POOL, ProtoId

OWN = [proto_id.name for proto_id in ProtoId if proto_id.name.startswith("Qotgate_")]
"""Our own questions."""
FILES = ["Common", "Qot_Common", *(proto_id.name for proto_id in ProtoId if proto_id.name not in OWN)]
# Ours define the fields that the gateway uses; theirs may have more.
ENUMS_IN_PART = {"QotMarket", "QotMarketState", "RetType", "ProgramStatusType", "PacketEncAlgo", "ProtoFmt"}
OWN_MESSAGES = {"FundLeftOut", "UntoldDays"}
"""Messages of our own fields."""
OWN_FIELDS = 50_000
"""The first number of our own fields."""


def shape(field: Any) -> tuple[Any, ...]:
    kind = field.message_type or field.enum_type
    required, repeated = field.is_required, field.is_repeated
    return (field.name, field.number, field.type, required, repeated, kind and kind.full_name)


@pytest.mark.parametrize("brand", ["futu", "moomoo"])
@pytest.mark.parametrize("file", FILES)
def test_messages_are_those_of_the_published_clients(brand: str, file: str) -> None:
    published = import_module(f"{brand}.common.pb.{file}_pb2").DESCRIPTOR
    ours = POOL.FindFileByName(f"{file}.proto")
    assert ours.package == published.package
    for name, message in ours.message_types_by_name.items():
        if name in OWN_MESSAGES:
            assert name not in published.message_types_by_name
            continue
        theirs = published.message_types_by_name[name]
        fields = {shape(field) for field in message.fields if field.number < OWN_FIELDS}
        assert fields == set(map(shape, theirs.fields))
    for name, enum in ours.enum_types_by_name.items():
        theirs_values = {value.name: value.number for value in published.enum_types_by_name[name].values}
        values = {value.name: value.number for value in enum.values}
        assert values.items() <= theirs_values.items()
        assert name in ENUMS_IN_PART or values == theirs_values


@pytest.mark.parametrize("brand", ["futu", "moomoo"])
def test_own_fields_are_far_from_the_numbers_that_published_messages_use(brand: str) -> None:
    folder = import_module(f"{brand}.common.pb").__path__
    published = [import_module(f"{brand}.common.pb.{module.name}") for module in iter_modules(folder)]
    numbers = {
        field.number
        for module in published
        for message in module.DESCRIPTOR.message_types_by_name.values()
        for field in message.fields
    }
    # 100 is QotHeader in the C2S of many quote requests.
    assert 100 in numbers
    assert max(numbers) < OWN_FIELDS // 10
    ours = [field.number for kind in CLASSES.values() for field in kind.DESCRIPTOR.fields]
    assert {number for number in ours if number not in numbers} == {*range(OWN_FIELDS, OWN_FIELDS + 3)}
    assert OWN == ["Qotgate_GetResearch"]
    assert ProtoId.Qotgate_GetResearch > OWN_FIELDS
