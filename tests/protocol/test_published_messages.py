"""Our messages against the published clients' own: same names, numbers, types and labels."""

from importlib import import_module
from typing import Any

import pytest

from qotgate.protocol.messages import POOL, ProtoId

FILES = ["Common", "Qot_Common", *(proto_id.name for proto_id in ProtoId)]
# Ours define what the gateway uses; theirs may have more beside it.
ENUMS_IN_PART = {"QotMarket", "QotMarketState", "RetType", "ProgramStatusType", "PacketEncAlgo", "ProtoFmt"}


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
        theirs = published.message_types_by_name[name]
        # From 100 on the numbers are free, and ours.
        fields = {shape(field) for field in message.fields if field.number < 100}
        assert fields == set(map(shape, theirs.fields))
    for name, enum in ours.enum_types_by_name.items():
        theirs_values = {value.name: value.number for value in published.enum_types_by_name[name].values}
        values = {value.name: value.number for value in enum.values}
        assert values.items() <= theirs_values.items()
        assert name in ENUMS_IN_PART or values == theirs_values
