"""All messages of the interface, from the ``futu-api`` or ``moomoo-api`` that the user has installed.

OpenD's publisher owns the message definitions, so this package only has those of its own questions. The
published packages carry theirs as generated modules, each with its descriptor as one bytes literal. The
literals are read from the files. Importing the packages would take seconds, start their log, and register
their files in protobuf's default pool, which accepts only one brand.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError

from qotgate.protocol.messages import REQUESTS, RESPONSES, ProtoId, make_classes

PACKAGES = {"futu": "futu-api", "moomoo": "moomoo-api"}
"""The module of each published package, and its name for pip."""
SKILLS = ("SkillWrap_", "SkillWrapAPI.")
"""Name prefixes of three proto ids and of their messages, which share one file."""


@dataclass(frozen=True)
class Messages:
    """The known messages; ``source`` is the package that defines them, None for qotgate's own alone."""

    source: str | None
    names: dict[int, str]
    requests: dict[int, Any]
    """The class of each request, by proto id. A push has none."""
    responses: dict[int, Any]
    """The class of each answer or push, by proto id."""
    classes: dict[str, Any]
    """Every message class by full name. This reference keeps the classes alive."""

    def name(self, proto_id: int) -> str:
        """The name of a proto id in the interface; its number if unknown."""
        return self.names.get(proto_id, str(proto_id))


@cache
def known_messages() -> Messages:
    """The messages of the newest published package that is installed, else qotgate's own."""
    for module in sorted(PACKAGES, key=_version, reverse=True):
        messages = _published(module)
        if messages is not None:
            return messages
    return own_messages()


def own_messages() -> Messages:
    """The messages that qotgate itself defines."""
    return Messages(
        None,
        {int(proto_id): proto_id.name for proto_id in ProtoId},
        {int(proto_id): kind for proto_id, kind in REQUESTS.items()},
        {int(proto_id): kind for proto_id, kind in RESPONSES.items()},
        {},
    )


def _version(module: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in version(PACKAGES[module]).split(".") if part.isdigit())
    except PackageNotFoundError:
        return ()


def _published(module: str) -> Messages | None:
    """The messages of an installed package; None if it is missing or has an unknown layout."""
    found = _version(module)
    spec = find_spec(module) if found else None
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "common"
    try:
        names = dict(_proto_ids(folder / "constant.py"))
        found_files = map(_descriptor, sorted((folder / "pb").glob("*_pb2.py")))
        files = {file.name: file for file in found_files if file is not None}
        order = TopologicalSorter({name: file.dependency for name, file in files.items()}).static_order()
        classes = make_classes(files[name] for name in order)[1]
    except (OSError, SyntaxError, KeyError, TypeError):
        return None
    requests, responses = {}, {}
    for proto_id, name in names.items():
        request, response = f"{name}.Request", f"{name}.Response"
        if name.startswith(SKILLS[0]):
            message = name.replace(*SKILLS)
            request, response = f"{message}Req", f"{message}Rsp"
        if request in classes:
            requests[proto_id] = classes[request]
        if response in classes:
            responses[proto_id] = classes[response]
    source = f"{PACKAGES[module]} {'.'.join(map(str, found))}"
    return Messages(source, names, requests, responses, classes)


def _proto_ids(path: Path) -> Iterator[tuple[int, str]]:
    """The proto ids and their names, from the class ProtoId of the package's ``constant.py``."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ClassDef) or node.name != "ProtoId":
            continue
        for line in node.body:
            match line:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=int(proto_id))):
                    yield proto_id, name


def _descriptor(path: Path) -> Any:
    """The FileDescriptorProto in a generated module, None if it has none."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
            try:
                file = descriptor_pb2.FileDescriptorProto.FromString(node.value)
            except DecodeError:
                continue
            if file.name.endswith(".proto"):
                return file
    return None
