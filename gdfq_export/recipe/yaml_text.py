"""YAML text to a section of a recipe, with errors that name the line or the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from gdfq_export.errors import InputError
from gdfq_export.recipe.explain import explain

Model = TypeVar("Model", bound=BaseModel)

MOST_YAML = 1 << 20
"""Bytes of a recipe: 1 MiB."""

_DEEPEST = 32
_LARGEST = 1 << 20  # values and characters in them, aliases written out


def yaml_mapping(text: str, what: str) -> dict[Any, Any] | None:
    """The mapping that the text holds; None where it holds something else. Errors call the text `what`.

    Raises:
        InputError: it is not YAML, nested deeper than 32 levels, or its aliases stand for more than a million values.
    """
    try:
        _require_small(text)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise InputError(f"{what}: not valid YAML{line} ({problem[:200]}); fix that line") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:  # of !!float x, 2001-99-99
        raise InputError(f"{what}: a value is not of its YAML type ({str(error)[:200]}); fix it") from error
    return content if isinstance(content, dict) else None


def validated(model: type[Model], content: Mapping[Any, Any], what: str) -> Model:
    """The content as a `model`.

    Raises:
        InputError: a key is unknown or missing, or a value is not accepted; names the first.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first, *others = error.errors()
        more = f" (and {len(others)} more to fix)" if others else ""
        raise InputError(f"{what}: {explain(first, model)}{more}") from error


def _require_small(text: str) -> None:
    """Refuse what a short text may stand for: values nested too deeply, or aliases of aliases.

    Raises:
        MarkedYAMLError: it is too deep, too large, or holds itself.
    """
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = [(None, 0)]
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        anchor: str | None = getattr(event, "anchor", None)
        size = 0
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((anchor, 1))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_nodes.pop()
        elif isinstance(event, yaml.AliasEvent):
            if any(event.anchor == name for name, _ in open_nodes):
                raise _refused(event, f"the alias {event.anchor[:80]} stands in what it stands for")
            size = sizes.get(event.anchor, 0)
        elif isinstance(event, yaml.ScalarEvent):
            size = 1 + len(event.value)
        if anchor is not None and not isinstance(event, (yaml.AliasEvent, yaml.CollectionStartEvent)):
            sizes[anchor] = size
        name, total = open_nodes[-1]
        open_nodes[-1] = (name, total + size)
        if len(open_nodes) > _DEEPEST:
            raise _refused(event, f"more than {_DEEPEST} levels")
        if total + size > _LARGEST:
            raise _refused(event, f"aliases that stand for more than {_LARGEST:,} characters")


def _refused(event: yaml.Event, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
