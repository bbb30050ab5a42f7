"""The format of recipes as JSON Schema (draft 2020-12), made of the pydantic models, for editors and validators."""

from __future__ import annotations

from typing import Any

from gdfq_export.recipe.recipe import Recipe

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def recipe_schema() -> dict[str, Any]:
    """The schema as JSON data: every key with its description, default and bounds; unknown keys are refused."""
    schema = Recipe.model_json_schema()
    schema["title"] = "gdfq-export recipe"
    schema["description"] = "All settings that determine the file gdfq-export writes, except the network and the seed."
    return {"$schema": DIALECT, **schema}
