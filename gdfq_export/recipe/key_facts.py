"""Every key of a recipe with its value, default, accepted values and description, read from the pydantic models."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gdfq_export.recipe.explain import accepted, section_of
from gdfq_export.recipe.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """One key.

    Attributes:
        key: dotted, as in messages: data.generator.steps.
        value: as YAML; empty for a section, whose keys follow.
        default: value without the key, as YAML; empty for a section and for a key that must be given.
        changed: whether the value differs from the default.
        accepted: accepted values as text; empty for a section.
        description: its meaning.
    """

    key: str
    value: str
    default: str
    changed: bool
    accepted: str
    description: str


def key_facts(recipe: Recipe) -> tuple[KeyFacts, ...]:
    """All keys in the order of the models, a section before its keys.

    A default is the value where the recipe leaves out the whole topmost section.
    """
    return tuple(_section(recipe, Recipe(name=recipe.name), ""))


def _section(section: BaseModel, defaults: BaseModel | None, prefix: str) -> Iterator[KeyFacts]:
    """The keys of one section; `defaults` is the section without any recipe, None where there is none."""
    for name, field in type(section).model_fields.items():
        key, value = f"{prefix}{name}", getattr(section, name)
        default = field.get_default() if defaults is None else getattr(defaults, name)
        inner = section_of(field.annotation)
        if inner is None:
            yield _plain_key(key, field, value, default, accepted(type(section), name))
            continue
        described = field.description or _first_line(inner)
        if isinstance(value, BaseModel):
            yield KeyFacts(key=key, value="", default="", changed=value != default, accepted="", description=described)
            yield from _section(value, default, f"{key}.")
        elif isinstance(value, Mapping):
            words = accepted(type(section), name)
            yield _plain_key(key, field, {} if not value else None, default, words, shown="" if value else None)
            for entry, held in value.items():
                yield from _section(held, None, f"{key}.{entry}.")
        else:
            yield _plain_key(key, field, value, default, accepted(type(section), name))


def _plain_key(
    key: str, field: FieldInfo, value: Any, default: Any, words: str, *, shown: str | None = None
) -> KeyFacts:
    optional = type(None) in get_args(field.annotation)
    return KeyFacts(
        key=key,
        value=_yaml(value) if shown is None else shown,
        default="" if field.is_required() else _yaml(default),
        changed=not field.is_required() and value != default,
        accepted=f"{words}, or null" if optional else words,
        description=field.description or "",
    )


def _yaml(value: Any) -> str:
    """A scalar or an empty mapping as YAML takes it."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _first_line(section: type[BaseModel]) -> str:
    return (section.__doc__ or "").partition("\n")[0]
