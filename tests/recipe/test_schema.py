"""The JSON Schema of recipes: it takes what is shipped, and refuses what reading a recipe refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from gdfq_export.recipe import Recipe, list_recipes, load_recipe, recipe_schema, recipe_to_yaml
from gdfq_export.recipe.recipe import DIALECT

ROOT = Path(__file__).parents[2]
SCHEMA = recipe_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
SHIPPED = [recipe.name for recipe in list_recipes()]


def sections() -> dict[str, dict[str, Any]]:
    return {"Recipe": SCHEMA, **SCHEMA["$defs"]}


def test_it_is_a_schema_of_its_dialect() -> None:
    assert SCHEMA["$schema"] == DIALECT
    VALIDATOR.check_schema(SCHEMA)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_recipe_is_valid_as_written_and_filled_in(name: str) -> None:
    text = (ROOT / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    VALIDATOR.validate(yaml.safe_load(text))
    VALIDATOR.validate(yaml.safe_load(recipe_to_yaml(load_recipe(name))))


@pytest.mark.parametrize("name", sections())
def test_every_section_refuses_unknown_keys_and_describes_its_own(name: str) -> None:
    section = sections()[name]
    assert section["additionalProperties"] is False and section["description"]
    assert [key for key, field in section["properties"].items() if not field.get("description")] == []


WRONG = [
    {},
    {"name": ""},
    {"name": "x", "bit": {}},
    {"name": "x", "bits": {"weight": 4}},
    {"name": "x", "bits": {"weights": 1}},
    {"name": "x", "bits": {"weights": 9}},
    {"name": "x", "bits": {"weights": 4.5}},
    {"name": "x", "bits": {"weights": "four"}},
    {"name": "x", "bits": {"layers": {"stem": {"bias": 4}}}},
    {"name": "x", "target": "tpu"},
    {"name": "x", "data": {"method": "magic"}},
    {"name": "x", "data": {"generator": {"steps": 0}}},
    {"name": "x", "data": {"generator": {"learning_rate": 0}}},
    {"name": "x", "tuning": {"finetune": {"batch": 1}}},
    {"name": "x", "tuning": None},
    {"name": "x", "verify": {"latency_seconds": 601}},
    {"name": 3},
]


@pytest.mark.parametrize("wrong", WRONG, ids=map(str, range(len(WRONG))))
def test_what_a_recipe_refuses_the_schema_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Recipe.model_validate(wrong)
    assert not VALIDATOR.is_valid(wrong)


RIGHT = [
    {"name": "x"},
    {"name": "x", "bits": {"weights": 2, "layers": {"*stem*": {"weights": 8, "activations": None}}, "mixed": None}},
    {"name": "x", "bits": {"mixed": {"growth": 0.1}}, "calibration": {"outliers": None}},
    {"name": "x", "tuning": {"finetune": {}}},
    {"name": "x", "verify": {"latency_seconds": 0}},
]


@pytest.mark.parametrize("right", RIGHT, ids=map(str, range(len(RIGHT))))
def test_what_a_recipe_takes_the_schema_takes(right: dict[str, Any]) -> None:
    Recipe.model_validate(right)
    VALIDATOR.validate(right)
