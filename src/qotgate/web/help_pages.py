"""The help page, and the reference of the HTTP API, made from its OpenAPI document."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from qotgate.ark.grounds import CONFIDENCE, Ground
from qotgate.service.ark.history import NOTICE
from qotgate.web.render import View, show
from qotgate.web.site import TheSite

router = APIRouter()


@router.get("/help")
def help_page(request: Request, site: TheSite) -> Response:
    """What the words and numbers of the pages mean."""
    grounds = [(NOTICE, 1.0), *((ground.name, CONFIDENCE[ground]) for ground in Ground)]

    def make(view: View) -> dict[str, Any]:
        return {"grounds": grounds, "window": site.questions[view.lang].window_days}

    return show(request, site, "help.html", make)


@dataclass(frozen=True, slots=True)
class ApiField:
    """A parameter, or a field of an answer: its ``kind`` in words, and its description in the document."""

    name: str
    kind: str
    said: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class ApiPath:
    """A path of the API, its parameters, and the fields of a row of its answer."""

    path: str
    said: str
    parameters: tuple[ApiField, ...]
    fields: tuple[ApiField, ...]


@router.get("/api")
def api_reference(request: Request, site: TheSite) -> Response:
    """Each path of the API."""
    document: dict[str, Any] = request.app.openapi()
    groups: dict[str, list[ApiPath]] = {}
    for path, methods in document["paths"].items():
        for about in methods.values():
            group = about.get("tags", ["Other"])[0]
            groups.setdefault(group, []).append(_path(path, about, document["components"]["schemas"]))
    return show(request, site, "api.html", lambda _view: {"groups": groups})


def _path(path: str, about: dict[str, Any], schemas: dict[str, Any]) -> ApiPath:
    parameters = tuple(
        ApiField(
            one["name"],
            _kind(one["schema"], schemas),
            " ".join(filter(None, (one.get("description", ""), _default(one["schema"])))),
            one.get("required", False),
        )
        for one in about.get("parameters", ())
    )
    content = about["responses"].get("200", {}).get("content", {})
    shape = _resolved(content.get("application/json", {}).get("schema", {}), schemas)
    rows = shape.get("properties", {}).get("rows", {}).get("items")
    row = _resolved(rows, schemas) if rows else shape
    fields = tuple(
        ApiField(name, _kind(field, schemas), field.get("description", ""))
        for name, field in row.get("properties", {}).items()
    )
    return ApiPath(path, about.get("description", ""), parameters, fields)


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    found: dict[str, Any] = schemas[reference.rpartition("/")[2]] if reference else schema
    return found


def _kind(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    """The type of a schema in words, or the values it takes; its pattern is for programs."""
    if "anyOf" in schema:
        return " / ".join(dict.fromkeys(_kind(one, schemas) for one in schema["anyOf"]))
    if "$ref" in schema:
        found = _resolved(schema, schemas)
        return _kind(found, schemas) if "enum" in found else str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"{_kind(schema['items'], schemas)} …"
    return str(schema.get("format") or schema.get("type", ""))


def _default(schema: dict[str, Any]) -> str:
    default = schema.get("default")
    return "" if default is None else f"Default: {default}."
