"""Why a recipe is refused, in one clause: the key, what was found, what is accepted."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel

from gdfq_export.support.text import shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_LONGEST_KEY = 80
_ENTRIES = {"integer": "integers", "number": "numbers"}


def explain(error: ErrorDetails, model: type[BaseModel]) -> str:
    """One clause for one error pydantic found in a `model`: the key, what was found, what is accepted."""
    path = [str(part)[:_LONGEST_KEY] for part in error["loc"] if part != "[key]"]
    dotted = ".".join(path)
    if len(path) < len(error["loc"]):
        return f"the name {dotted} is not a text; put it in quotes"
    named = [str(part)[:_LONGEST_KEY] for part in error["loc"] if not isinstance(part, int)]  # entries of lists are not
    key, section = named[-1], _section_at(model, named[:-1])
    if error["type"] == "extra_forbidden":
        return f"unknown key {dotted}{hint(key, section.model_fields)}; accepted here: {keys(section)}"
    right = accepted(section, key)
    if error["type"] == "missing":
        return f"the key {dotted} is missing; give it {right}"
    return f"{dotted} is {shown(error['input'])}; give it {right}"


def _section_at(model: type[BaseModel], path: Sequence[str]) -> type[BaseModel]:
    """The model that holds the keys below `path`."""
    section = model
    for part in path:
        if part in section.model_fields:  # another part is a name of the user's own, as below bits.layers
            section = section_of(section.model_fields[part].annotation) or section
    return section


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as `Generator`, `FineTune | None` or `dict[str, LayerBits]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(section_of, get_args(annotation))), None)


def accepted(section: type[BaseModel], key: str) -> str:
    """The accepted values of a key as text, read from the model: `an integer from 2 to 8`."""
    field = section.model_fields.get(key)
    if field is None:
        return f"a mapping with keys among {keys(section)}"
    if inner := section_of(field.annotation):
        kind = get_origin(field.annotation)
        if kind in (list, tuple):
            return f"a list of mappings with keys among {keys(inner)}"
        names = "from names to mappings " if kind is dict else ""
        return f"a mapping {names}with keys among {keys(inner)}"
    schema = section.model_json_schema()["properties"][key]
    schema = next((each for each in schema.get("anyOf", ()) if each["type"] != "null"), schema)
    if "enum" in schema or "const" in schema:
        return "one of " + ", ".join(map(str, schema.get("enum", [schema.get("const")])))
    if schema["type"] == "array":
        return f"a list of {_ENTRIES.get(schema['items'].get('type'), 'texts')}"
    kinds = {"integer": "an integer", "number": "a number", "boolean": "true or false", "string": "a text"}
    bounds = [
        words.format(schema[name])
        for name, words in (
            ("minimum", "from {}"),
            ("exclusiveMinimum", "above {}"),
            ("maximum", "to {}" if "minimum" in schema else "up to {}"),
        )
        if name in schema
    ]
    return " ".join([kinds[schema["type"]], *bounds])


def keys(section: type[BaseModel]) -> str:
    """The keys of a section, comma-separated."""
    return ", ".join(section.model_fields)


def hint(wrong: str, known: Iterable[str]) -> str:
    """A suggestion of the most similar known name; empty where none is similar."""
    names = list(known)
    begun = [name for name in names if wrong and name.startswith(wrong)]
    close = begun if len(begun) == 1 else difflib.get_close_matches(wrong, names, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
