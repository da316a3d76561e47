"""Random messages of a class, for property tests."""

from typing import Any

from hypothesis import strategies as st

MAX_DEPTH = 4


@st.composite
def any_message(draw: st.DrawFn, kind: Any) -> Any:
    """A message of a class with any of its fields set to any value possible on the wire."""
    return _fill(kind(), draw, 0)


def _fill(message: Any, draw: st.DrawFn, depth: int) -> Any:
    fields = list(message.DESCRIPTOR.fields)
    chosen = draw(st.lists(st.sampled_from(fields), max_size=4)) if fields else []
    required = [field for field in fields if is_required(field)] if depth < MAX_DEPTH else []
    for field in {field.name: field for field in [*required, *chosen]}.values():
        value = getattr(message, field.name)
        if field.message_type is not None:
            if depth < MAX_DEPTH:
                part = value.add() if hasattr(value, "add") else value
                part.SetInParent()
                _fill(part, draw, depth + 1)
        elif hasattr(value, "append"):
            value.extend(draw(st.lists(_values(field), max_size=3)))
        else:
            setattr(message, field.name, draw(_values(field)))
    return message


def is_required(field: Any) -> bool:
    # As in scrubbing: ``label`` will be removed in protobuf 8.
    required = getattr(field, "is_required", None)
    return bool(required) if required is not None else field.label == field.LABEL_REQUIRED


def _values(field: Any) -> st.SearchStrategy[Any]:
    if field.type == field.TYPE_BYTES:
        return st.binary(max_size=20)
    if field.cpp_type == field.CPPTYPE_ENUM:
        return st.sampled_from([value.number for value in field.enum_type.values])
    return {
        field.CPPTYPE_STRING: st.text(max_size=20),
        field.CPPTYPE_BOOL: st.booleans(),
        field.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
        field.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
        field.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
        field.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
        field.CPPTYPE_DOUBLE: st.floats(),
        field.CPPTYPE_FLOAT: st.floats(width=32),
    }[field.cpp_type]
