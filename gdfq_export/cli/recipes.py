"""gdfq-export recipes: what is shipped, and each with every default filled in."""

from __future__ import annotations

import click

from gdfq_export.cli.options import log_level_option

__all__ = ["recipes"]


@click.group()
def recipes() -> None:
    """List the shipped recipes, or show one."""


@recipes.command("list")
@log_level_option
def list_() -> None:
    """List the shipped recipes, the default first."""
    from gdfq_export.cli.tables import print_recipes
    from gdfq_export.recipe import list_recipes

    print_recipes(list_recipes())


@recipes.command()
@click.argument("recipe", metavar="NAME|FILE")
@log_level_option
def show(recipe: str) -> None:
    """Print a recipe with every default filled in, ready to be saved and changed."""
    from gdfq_export.recipe import load_recipe, recipe_to_yaml

    click.echo(recipe_to_yaml(load_recipe(recipe)), nl=False)
