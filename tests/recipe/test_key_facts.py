"""Every key of a recipe with its facts: none is left out, none is without a word, defaults are the models'."""

from __future__ import annotations

from typing import Any

import pytest

from gdfq_export.recipe import Bits, FineTune, LayerBits, Recipe, Tuning, key_facts, list_recipes, load_recipe

SHIPPED = [recipe.name for recipe in list_recipes()]


def leaves(value: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted keys of plain data."""
    if not isinstance(value, dict) or not value:
        return {prefix: value}
    found = {}
    for key, inner in value.items():
        found.update(leaves(inner, f"{prefix}.{key}" if prefix else str(key)))
    return found


@pytest.mark.parametrize("name", SHIPPED)
def test_every_key_is_there_once_with_its_value_and_a_description(name: str) -> None:
    recipe = load_recipe(name)
    facts = key_facts(recipe)
    assert len({fact.key for fact in facts}) == len(facts)
    values = {fact.key: fact.value for fact in facts if fact.value}
    expected = leaves(recipe.model_dump(mode="json"))
    assert values.keys() == expected.keys()
    assert all(fact.description for fact in facts)
    assert values["bits.weights"] == str(expected["bits.weights"])


def test_nothing_of_a_bare_recipe_is_changed() -> None:
    assert [fact.key for fact in key_facts(Recipe(name="bare")) if fact.changed] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_changed_is_what_differs_from_a_bare_recipe(name: str) -> None:
    recipe = load_recipe(name)
    own, bare = (leaves(each.model_dump(mode="json")) for each in (recipe, Recipe(name=name)))
    changed = {fact.key for fact in key_facts(recipe) if fact.changed and fact.value}
    for key in own.keys() & bare.keys():
        assert (key in changed) == (own[key] != bare[key]), key


def test_sections_of_the_users_own_names_are_explained() -> None:
    recipe = Recipe(
        name="x", bits=Bits(layers={"stem": LayerBits(weights=4)}), tuning=Tuning(finetune=FineTune(steps=7))
    )
    facts = {fact.key: fact for fact in key_facts(recipe)}
    assert (facts["bits.layers.stem.weights"].value, facts["bits.layers.stem.weights"].default) == ("4", "null")
    assert facts["bits.layers.stem.weights"].accepted == "an integer from 2 to 8, or null"
    assert facts["bits.layers"].changed and facts["tuning.finetune"].changed
    assert (facts["tuning.finetune.steps"].value, facts["tuning.finetune.steps"].default) == ("7", "150")
    assert not facts["tuning.finetune.batch"].changed


def test_a_key_that_must_be_given_has_no_default() -> None:
    name = key_facts(Recipe(name="x"))[0]
    assert (name.key, name.value, name.default, name.accepted) == ("name", "x", "", "a text")
