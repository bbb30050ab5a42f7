"""Bit widths in the spellings of other tools choose the shipped recipe that has them."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from gdfq_export.cli.options.bits import bits_options, recipe_option
from gdfq_export.recipe import load_recipe


@click.command()
@bits_options
@recipe_option
def command(recipe: str | None) -> None:
    click.echo(recipe)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ("", ""),
        ("--recipe w4a4-ort-cpu", "w4a4-ort-cpu"),
        ("--bits 4", "w4a4"),
        ("--bits int8", "w8a8"),
        ("--weights int4", "w4a8"),
        ("--weights 4 --activations uint8", "w4a8"),
        ("--activations a4 --weights w4", "w4a4"),
        ("--bits 6 --weights 4", "w4a6"),
    ],
)
def test_the_recipe_that_is_chosen(arguments: str, name: str) -> None:
    assert CliRunner().invoke(command, arguments.split()).output == f"{name}\n"


@pytest.mark.parametrize("arguments", ["--bits four", "--weights int16", "--bits 4 --recipe w8a8-ort-cpu"])
def test_what_is_refused(arguments: str) -> None:
    result = CliRunner().invoke(command, arguments.split())
    assert result.exit_code == 2
    assert "int8" in result.output or "--recipe says the bit widths already" in result.output


@pytest.mark.parametrize("name", ["w8a8", "int8", "INT8"])
def test_short_names_of_recipes(name: str) -> None:
    assert load_recipe(name) == load_recipe("w8a8-ort-cpu")
    assert load_recipe("int4").name == "w4a8-ort-cpu"
