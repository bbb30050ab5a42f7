"""gdfq-export recipes: what it shows can be saved and used, what it explains is whole."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from gdfq_export.cli.main import cli
from gdfq_export.recipe import list_recipes, load_recipe, recipe_schema


def test_list_names_every_recipe() -> None:
    result = CliRunner().invoke(cli, ["recipes", "list"])
    assert result.exit_code == 0
    assert all(recipe.name in result.stdout for recipe in list_recipes())


def test_what_show_prints_is_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(CliRunner().invoke(cli, ["recipes", "show", "w8a8-finetuned-ort-cpu"]).stdout)
    assert load_recipe(path) == load_recipe("w8a8-finetuned-ort-cpu")
    assert CliRunner().invoke(cli, ["recipes", "show", str(path)]).stdout == path.read_text()


def test_explain_says_what_every_key_is() -> None:
    result = CliRunner().invoke(cli, ["recipes", "explain", "w4a4-ort-cpu"])
    assert result.exit_code == 0
    rows = {line.split()[0]: " ".join(line.split()) for line in result.stdout.splitlines() if line.strip()}
    assert rows["bits.weights"].startswith("bits.weights * 4 8 an integer from 2 to 8 weights of all layers")
    assert rows["bits.first_last"].startswith("bits.first_last 8 8 an integer")
    assert "large_images.data.generator.bns_normalized" in rows, "no key is cut"


def test_explain_takes_a_file_and_refuses_what_is_none(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nbits: {layers: {stem: {weights: 4}}}\n")
    assert "bits.layers.stem.weights" in CliRunner().invoke(cli, ["recipes", "explain", str(path)]).stdout
    assert CliRunner().invoke(cli, ["recipes", "explain", "nope"]).exit_code == 2


def test_the_schema_is_the_same_printed_and_written(tmp_path: Path) -> None:
    path = tmp_path / "recipe.schema.json"
    printed = CliRunner().invoke(cli, ["recipes", "schema"]).stdout
    result = CliRunner().invoke(cli, ["recipes", "schema", "--out", str(path)])
    assert json.loads(printed) == json.loads(path.read_text()) == recipe_schema()
    assert "# yaml-language-server: $schema=recipe.schema.json" in result.stdout
    assert "yaml-language-server: $schema=" in CliRunner().invoke(cli, ["recipes", "schema", "--help"]).stdout


def test_the_schema_needs_a_folder(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["recipes", "schema", "--out", str(tmp_path / "no" / "s.json")])
    assert result.exit_code == 2 and "create it first" in result.stderr
