"""YAML that costs more than its length, or whose values are none."""

from __future__ import annotations

import pytest

from gdfq_export.errors import InputError
from gdfq_export.recipe import Recipe
from gdfq_export.recipe.yaml_text import validated, yaml_mapping

_TEN = "&k0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"
_ALIASES = "\n".join(
    [f"k0: {_TEN}", *(f"k{level}: &k{level} [{', '.join([f'*k{level - 1}'] * 10)}]" for level in range(1, 9))]
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (_ALIASES, "at line 6 .*aliases that stand for more than"),
        ("a: &a [*a]", "the alias a stands in what it stands for"),
        ("a: " + "[" * 5000 + "]" * 5000, "more than 32 levels"),
        ("{a: " * 3000 + "1" + "}" * 3000, "more than 32 levels"),
        ("name: !!float x", "not of its YAML type"),
        ("name: !!int 1:a", "not of its YAML type"),
        ("name: !!timestamp 99999-99-99", "not of its YAML type"),
        ("2001-13-01: x", "not of its YAML type"),
        ("name: " + "9" * 5000, "not of its YAML type"),
        ("name: !!python/object/apply:os.system [x]", "not valid YAML at line 1"),
        ("? [a]\n: b", "not valid YAML"),
    ],
)
def test_it_is_refused_in_one_short_sentence(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        yaml_mapping(text, "recipe a.yaml")
    assert str(caught.value).startswith("recipe a.yaml: ") and len(str(caught.value)) < 500


def test_plain_aliases_and_merges_are_read() -> None:
    text = "a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, *a]"
    assert yaml_mapping(text, "it") == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": [{"x": 1}, {"x": 1}]}


@pytest.mark.parametrize(
    "value", [["x" * 1000] * 50, int("f" * 6000, 16), "x" * 10**6], ids=["list", "integer", "text"]
)
def test_a_value_is_quoted_in_short(value: object) -> None:
    with pytest.raises(InputError, match="bits") as caught:
        validated(Recipe, {"name": "a", "bits": value, "k" * 10_000: 1}, "recipe a.yaml")
    assert len(str(caught.value)) < 1000
