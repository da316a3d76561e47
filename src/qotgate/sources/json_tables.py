"""JSON as tables of lines: the field names as the header, and one line for each record.

Accepted are: a list of flat objects; an object that contains such lists, such as ``{"ratings": [...]}`` and
pandas' ``table`` form, whose other fields are added to each record under :func:`outer`; the lists inside
those records, if their own fields are not a known table; an object that contains one such object and nothing
else; one object a line (NDJSON); and the other forms of pandas' ``to_json``: records, split, and columns and
index, which cannot be distinguished and are tried in this order. In the last three forms the column of row
labels is headed ``index``. Numbers keep their text, as in CSV, so their size does no harm; null, NaN and
Infinity are blank. Lines are numbered by record, from 1; in NDJSON by physical line.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from sys import intern
from typing import Any

from qotgate.model import Unreadable
from qotgate.sources.lines import MAX_CELLS, MAX_COLUMNS, MAX_LINES, Cell, Line

_INDEX = "index"
_OUTER = "outer"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can contain one, and no encoding can
_EMPTY = "the JSON holds no records"
_TOO_LONG = f"the JSON has more than {MAX_LINES:,} lines; save it in parts"
_TOO_LARGE = f"the JSON holds more than {MAX_CELLS:,} cells or {MAX_COLUMNS} columns; save it in parts"


def outer(name: str) -> str:
    """The header of a field outside a list that applies to all of its records, by letters and digits
    alone."""
    return _OUTER + "".join(filter(str.isalnum, name)).lower()


def json_tables(text: str) -> Iterator[Iterable[Line]]:
    """The possible tables of a JSON text. Raises Unreadable."""
    # Each value but the first of a list or object follows a comma; texts may contain as many again.
    if text.count(",") > 2 * MAX_CELLS:
        raise Unreadable(_TOO_LARGE)
    try:
        found = _parsed(text)
    except ValueError as problem:
        lines = _object_lines(text)
        if lines is None:
            raise Unreadable(f"the JSON is damaged or cut short: {problem}") from problem
        yield _records(lines)
    else:
        if not found:
            raise Unreadable(_EMPTY)
        yield from _tables(found)
        # An envelope such as Yahoo's {"quoteSummary": {...}} has one object and nothing else.
        while isinstance(found, dict) and len(found) == 1:
            (found,) = found.values()
            if found and isinstance(found, dict):
                yield from _tables(found)


def _parsed(text: str) -> Any:
    """Raises ValueError."""
    try:
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=lambda _: None)
    except RecursionError as problem:
        raise Unreadable("the JSON is nested too deep; it takes a list of flat records") from problem


def _object_lines(text: str) -> list[tuple[int, Any]] | None:
    """The lines of NDJSON that are not blank, a damaged one as its error; None if the first is not an object,
    so that the text is something else."""
    found: list[tuple[int, Any]] = []
    if text.count("\n") + text.count("\r") > MAX_LINES:
        raise Unreadable(_TOO_LONG)
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        if line.strip():
            try:
                record = _parsed(line)
            except ValueError as problem:
                record = problem
            if isinstance(record, dict):
                record = {intern(name): value for name, value in record.items()}
            elif not found:
                return None
            found.append((number, record))
    return found


def _tables(found: Any) -> Iterator[Iterable[Line]]:
    if isinstance(found, list):
        yield _records(list(enumerate(found, 1)))
    elif isinstance(found.get("columns"), list) and isinstance(found.get("data"), list):
        yield _split(found["columns"], found.get("index"), found["data"])
    elif all(isinstance(value, dict) for value in found.values()):
        labels = dict.fromkeys(label for column in found.values() for label in column)
        _check_size(len(labels), len(found))
        yield _labelled((label, {name: found[name].get(label) for name in found}) for label in labels)
        yield _labelled(found.items())
    else:
        lists = [value for value in found.values() if isinstance(value, list)]
        if lists and not any(lists):
            raise Unreadable(_EMPTY)
        beside = {outer(name): value for name, value in found.items() if not isinstance(value, (list, dict))}
        for records in lists or [[found]]:
            inner: dict[str, list[Any]] = {}
            for record in records if lists else ():
                for name, objects in _inner(record):
                    inner.setdefault(name, []).extend(objects)
            for rows in filter(None, (records, *inner.values())):
                yield _records(
                    [
                        (number, beside | row if lists and isinstance(row, dict) else row)
                        for number, row in enumerate(rows, 1)
                    ]
                )


def _inner(record: Any) -> Iterator[tuple[str, list[Any]]]:
    """The lists of objects in a record, or in an object in it, by name. Each object gets the record's other
    fields under :func:`outer`."""
    if not isinstance(record, dict):
        return
    beside = {outer(name): value for name, value in record.items() if not isinstance(value, (list, dict))}
    for one in (record, *(value for value in record.values() if isinstance(value, dict))):
        for name, found in one.items():
            if isinstance(found, list) and all(isinstance(row, dict) for row in found):
                yield name, [beside | row for row in found]


def _labelled(rows: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[Line]:
    return _records([(number, {_INDEX: label} | row) for number, (label, row) in enumerate(rows, 1)])


def _split(columns: list[Any], labels: Any, rows: list[Any]) -> Iterator[Line]:
    labels = labels if isinstance(labels, list) and len(labels) == len(rows) else [None] * len(rows)
    yield Line(0, [_INDEX, *map(_cell, columns)])
    for number, (label, row) in enumerate(zip(labels, rows, strict=True), 1):
        if isinstance(row, list):
            yield Line(number, [_cell(label), *map(_cell, row)])
        else:
            yield Line(number, [], "the row is no list")


def _records(records: Sequence[tuple[int, Any]]) -> Iterator[Line]:
    """The lines of numbered records. A missing field is blank; a record that is not an object is a
    problem."""
    names = dict.fromkeys(name for _, record in records if isinstance(record, dict) for name in record)
    _check_size(len(records), len(names))
    yield Line(0, [_cell(name) for name in names])
    for number, record in records:
        if isinstance(record, dict):
            yield Line(number, [_cell(record.get(name)) for name in names])
        else:
            reason = f": {record}" if isinstance(record, ValueError) else ""
            yield Line(number, [], f"the record is no JSON object{reason}")


def _check_size(rows: int, columns: int) -> None:
    if rows * max(columns, 1) > MAX_CELLS or columns > MAX_COLUMNS:
        raise Unreadable(_TOO_LARGE)


def _cell(value: Any) -> Cell:
    if value is None:
        return ""
    if isinstance(value, dict) and "raw" in value:
        value = value["raw"]  # Yahoo's numbers come with a formatted text
    if isinstance(value, str):
        return value if value.isascii() else _LONE_SURROGATE.sub("\ufffd", value)
    return value if isinstance(value, bool) else "{…}" if isinstance(value, dict) else "[…]"
