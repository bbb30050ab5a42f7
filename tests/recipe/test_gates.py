"""The section `gates:` is the table of gates, and changes no hash."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdfq_export.errors import InputError
from gdfq_export.gates import GATES, Gate
from gdfq_export.recipe import Gates, Recipe, load_gates, load_recipe, recipe_sha256, recipe_to_yaml

HASHES = {
    "w8a8-ort-cpu": "a3f913a769eb9638540dd982bef71329da1dbf15fcc3903c6cb8d54b9593cabb",
    "w4a4-ort-cpu": "b5552f14ed3389bfbc5ef15704b0e7a9084002bcb62c73c88c84364e1e49f6f3",
    "paper/gdfq": "23db9b5dde78b3732ddfe719ad16cd285af16bab8bab4a69b5eac051268bd8d8",
}


def write(folder: Path, text: str) -> Path:
    path = folder / "gates.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_keys_are_the_table_s() -> None:
    assert [*Gates.model_fields] == [gate.key for gate in GATES]
    for gate in GATES:
        field = Gates.model_fields[gate.key]
        assert field.description == gate.help
        assert (field.annotation is bool) == (gate.unit == "boolean")


@pytest.mark.parametrize("gate", [gate for gate in GATES if gate.unit != "boolean"], ids=lambda gate: gate.key)
def test_a_limit_in_yaml_is_bounded_as_the_table_says(gate: Gate) -> None:
    number = Gates.model_json_schema()["properties"][gate.key]["anyOf"][0]
    low = "exclusiveMinimum" if gate.above else "minimum"
    assert {key: number[key] for key in number if "imum" in key} == {
        key: bound for key, bound in ((low, gate.low), ("maximum", gate.high)) if bound is not None
    }


def test_limits_are_what_was_asked_for() -> None:
    assert Gates().limits() == {}
    gates = Gates(max_size_ratio=0.3, max_top1_drop_pp=0, require_parity=True, require_rules=False)
    assert gates.limits() == {"require-parity": True, "max-top1-drop-pp": 0.0, "max-size-ratio": 0.3}


@pytest.mark.parametrize("name", HASHES)
def test_hashes_of_recipes_are_as_they_were_before_there_were_gates(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe_sha256(recipe) == HASHES[name]
    assert recipe_sha256(recipe.model_copy(update={"gates": Gates(min_agreement=0.9)})) == HASHES[name]


def test_a_recipe_keeps_its_gates(tmp_path: Path) -> None:
    recipe = Recipe(name="x", gates=Gates(min_agreement=0.9, require_parity=True))
    path = write(tmp_path, recipe_to_yaml(recipe))
    assert load_recipe(path) == recipe
    assert load_gates(path) == recipe.gates


@pytest.mark.parametrize(
    "text",
    ["max_p99_ms: 1e1\nrequire_rules: true\n", "gates: {max_p99_ms: 10, require_rules: true}\nother: 1\n"],
    ids=["top", "section"],
)
def test_gates_stand_alone_or_in_a_section(tmp_path: Path, text: str) -> None:
    assert load_gates(write(tmp_path, text)).limits() == {"require-rules": True, "max-p99-ms": 10.0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_top1_drop: 1", r"unknown key max_top1_drop \(did you mean max_top1_drop_pp\?\); accepted here: require"),
        ("gates: {max_top5_drop_pp: -1}", "max_top5_drop_pp is -1; give it a number from 0$"),
        ("min_agreement: 99", "min_agreement is 99; give it a number from 0 to 1$"),
        ("max_size_ratio: 0", "max_size_ratio is 0; give it a number above 0$"),
        ("max_top1_drop_pp: true", "max_top1_drop_pp is True; give it a number from 0$"),
        ("require_parity: 3", "require_parity is 3; give it true or false$"),
        ("max_p99_ms: .nan", "max_p99_ms is nan; give it a number above 0$"),
        ("max_p99_ms: [", "not valid YAML at line 1"),
        ("gates: {min_agreement: 0.9}\nmax_p99_ms: 1", "max_p99_ms stands beside the section gates"),
        ("gates:", "holds no gates; give at least one of require_rules"),
        ("", "holds no gates"),
        ("- 1", "holds no gates"),
    ],
    ids=["key", "negative", "share", "zero", "bool", "flag", "nan", "yaml", "beside", "null", "empty", "list"],
)
def test_mistakes_are_named_with_what_is_accepted(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        load_gates(write(tmp_path, text))
    assert str(caught.value).startswith(f"gates {tmp_path / 'gates.yaml'}: ")


def test_a_recipe_names_the_gate_that_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gates\.min_agreement is 2; give it a number from 0 to 1"):
        load_recipe(write(tmp_path, "name: x\ngates: {min_agreement: 2}\n"))


def test_what_cannot_be_read_is_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the gates .*none\.yaml: No such file"):
        load_gates(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not a text file"):
        load_gates(tmp_path / "binary.yaml")
