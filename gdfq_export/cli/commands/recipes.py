"""gdfq-export recipes: what is shipped, what each key means, and the format for editors."""

from __future__ import annotations

from pathlib import Path

import click

from gdfq_export.cli.options.shared import OUTPUT, log_level_option
from gdfq_export.cli.output.echo import echo


@click.group()
def recipes() -> None:
    """List the shipped recipes, show or explain one, or give their format to an editor."""


@recipes.command("list")
@log_level_option
def list_() -> None:
    """List the shipped recipes, the default first."""
    import gdfq_export as gq
    from gdfq_export.cli.output.report_tables import print_recipes

    print_recipes(gq.recipes())


@recipes.command()
@click.argument("recipe", metavar="NAME|FILE")
@log_level_option
def show(recipe: str) -> None:
    """Print a recipe with every default filled in, ready to be saved and changed."""
    from gdfq_export.recipe import load_recipe, recipe_to_yaml

    echo(recipe_to_yaml(load_recipe(recipe)).removesuffix("\n"), lines=True)


@recipes.command()
@click.argument("recipe", metavar="NAME|FILE")
@log_level_option
def explain(recipe: str) -> None:
    """Explain every key of a recipe: its value, what it accepts, its default.

    A star marks each value that is not the default, and the sections that hold one.
    """
    from gdfq_export.cli.output.report_tables import print_keys
    from gdfq_export.recipe import key_facts, load_recipe

    print_keys(key_facts(load_recipe(recipe)))


@recipes.command()
@click.option("--out", type=OUTPUT, help="The file to write.  [default: standard output]")
@log_level_option
def schema(out: Path | None) -> None:
    """Write the JSON Schema of recipes, with which an editor completes and checks them.

    Save it beside your recipe, and let the recipe begin with the line

    # yaml-language-server: $schema=recipe.schema.json

    for editors that use the YAML language server (VS Code with the YAML extension, Neovim, Emacs, Helix).
    """
    import json

    from gdfq_export.recipe import recipe_schema

    text = json.dumps(recipe_schema(), indent=2, ensure_ascii=False)
    if out is None:
        echo(text, lines=True)
        return
    from gdfq_export.cli.options.outputs import require_outputs
    from gdfq_export.support.files import write_files

    require_outputs((out,), ())
    write_files({out: text + "\n"})
    echo(f"wrote {out}; let a recipe begin with: # yaml-language-server: $schema={out.name}")
