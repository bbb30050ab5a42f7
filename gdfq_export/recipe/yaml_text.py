"""YAML text to a section of a recipe, with errors that name the line or the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from gdfq_export.errors import InputError
from gdfq_export.recipe.explain import explain

Model = TypeVar("Model", bound=BaseModel)


def yaml_mapping(text: str, what: str) -> dict[Any, Any] | None:
    """The mapping that the text holds; None where it holds something else. Errors call the text `what`.

    Raises:
        InputError: it is not YAML.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise InputError(f"{what}: not valid YAML{line} ({problem}); fix that line") from error
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
