"""The format of report.json as JSON Schema (draft 2020-12), derived from the dataclasses of `Report`."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from gdfq_export.errors import InternalError
from gdfq_export.report.json_form import SCHEMA_VERSION
from gdfq_export.report.report import Report
from gdfq_export.support.not_measured import NotMeasured

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_PLAIN: Mapping[Any, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    NoneType: "null",
    NotMeasured: "null",
}


def report_schema() -> dict[str, Any]:
    """The schema as JSON data. Every key is required, others are refused; a figure that was not measured is null."""
    parts: dict[str, Any] = {}
    _type(Report, parts)
    body = parts.pop(Report.__name__)
    reasons = {
        "type": "object",
        "description": "Why a figure is null, by the dotted name of the figure.",
        "additionalProperties": {"type": "string", "minLength": 1},
    }
    properties = {"schema_version": {"const": SCHEMA_VERSION}, **body["properties"], "reasons": reasons}
    return {
        "$schema": DIALECT,
        "$id": f"urn:gdfq-export:report:{SCHEMA_VERSION}",
        "title": "gdfq-export report",
        **body,
        "properties": properties,
        "required": [*properties],
        "$defs": dict(sorted(parts.items())),
    }


def _type(kind: Any, parts: dict[str, Any]) -> dict[str, Any]:
    """The schema of one type; schemas of dataclasses are added to `parts` and referenced."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return {}
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _part(kind, parts)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    if origin is Literal:
        return {"enum": [*arguments]}
    if origin in (Union, UnionType):
        return _one_of([_type(each, parts) for each in arguments])
    if isinstance(origin, type):
        return _collection(kind, origin, [_type(each, parts) for each in arguments if each is not ...])
    raise InternalError(f"the report holds a {kind}, which has no JSON form")


def _collection(kind: Any, origin: type, items: list[dict[str, Any]]) -> dict[str, Any]:
    """The schema of a mapping or sequence whose type arguments have the schemas `items`."""
    if issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": items[1]}
    if origin is tuple and get_args(kind)[1:] != (...,):
        raise InternalError(f"the report holds {kind}; give tuples as tuple[T, ...]")
    if issubclass(origin, Sequence):
        return {"type": "array", "items": items[0]}
    raise InternalError(f"the report holds a {kind}, which has no JSON form")


def _part(kind: type, parts: dict[str, Any]) -> dict[str, Any]:
    name = kind.__name__
    description = " ".join((inspect.getdoc(kind) or "").split())
    if name not in parts:
        parts[name] = {}  # a placeholder, for a part that contains itself
        hints = get_type_hints(kind)
        properties = {field.name: _type(hints[field.name], parts) for field in dataclasses.fields(kind)}
        parts[name] = {
            "description": description,
            "type": "object",
            "properties": properties,
            "required": [*properties],
            "additionalProperties": False,
        }
    elif parts[name] and parts[name]["description"] != description:
        raise InternalError(f"the report holds two parts named {name}; rename one of them")
    return {"$ref": f"#/$defs/{name}"}


def _one_of(kinds: list[dict[str, Any]]) -> dict[str, Any]:
    """Any of them; plain types as a list of names."""
    plain = [*dict.fromkeys(kind["type"] for kind in kinds if kind.keys() == {"type"})]
    others = [kind for kind in kinds if kind.keys() != {"type"}]
    together = [{"type": plain[0] if len(plain) == 1 else plain}] if plain else []
    choices = [*others, *together]
    return choices[0] if len(choices) == 1 else {"anyOf": choices}
