"""gdfq-export recipes: what it shows can be saved and used."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from gdfq_export.cli.main import cli
from gdfq_export.recipe import list_recipes, load_recipe


def test_list_names_every_recipe() -> None:
    result = CliRunner().invoke(cli, ["recipes", "list"])
    assert result.exit_code == 0
    assert all(recipe.name in result.stdout for recipe in list_recipes())


def test_what_show_prints_is_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(CliRunner().invoke(cli, ["recipes", "show", "w8a8-finetuned-ort-cpu"]).stdout)
    assert load_recipe(path) == load_recipe("w8a8-finetuned-ort-cpu")
    assert CliRunner().invoke(cli, ["recipes", "show", str(path)]).stdout == path.read_text()
