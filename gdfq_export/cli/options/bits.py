"""--recipe, and the recipe by its bit widths: --bits, --weights and --activations, as other tools spell them."""

from __future__ import annotations

import re

import click

from gdfq_export.cli.options.shared import Command, Form

_KEY = "gdfq_export.bits"
_OPTIONS = {
    "bits": "Bit width of both, as int8 or 4: short for the --recipe that has them.",
    "weights": "Bit width of weights.  [default: 8]",
    "activations": "Bit width of activations.  [default: 8]",
}


def _width(text: str) -> int:
    found = re.fullmatch(r"(?:u?int|w|a)?(\d)", text.lower())
    if not found:
        raise ValueError(text)
    return int(found[1])


BITS = Form("BITS", _width, "a bit width; give for instance int8, int4 or 4")


def bits_options(command: Command) -> Command:
    """Add the three options; `recipe_option` turns them into the name of a recipe, so the command does not see them."""
    for name, what in reversed(_OPTIONS.items()):
        option = click.option(
            f"--{name}", type=BITS, is_eager=True, expose_value=False, callback=_remembered, help=what
        )
        command = option(command)
    return command


_KEPT = {
    "keep-float": "Keep nodes float: a node or weight by name (* and ? allowed), an operator such as Softmax, or a "
    "regular expression for whole names; may be given several times.",
    "keep-int16": "Give nodes 16-bit inputs and outputs; named as in --keep-float.",
}


def kept_options(command: Command) -> Command:
    """Add --keep-float and --keep-int16; the command receives a tuple of each, which adds to the recipe's list."""
    for name, what in reversed(_KEPT.items()):
        command = click.option(f"--{name}", metavar="NAME|TYPE|re:REGEX", multiple=True, help=what)(command)
    return command


precision_option = click.option(
    "--precision",
    type=click.Choice(["fixed", "auto"]),
    help="auto: layers stay float where measurements show that the gates ask for it, at the least time; needs a gate "
    "such as --min-output-snr-db.  [default: the recipe's]",
)
"""The command receives None where the recipe decides."""


def _remembered(ctx: click.Context, param: click.Parameter, value: int | None) -> None:
    if value is not None:
        ctx.meta.setdefault(_KEY, {})[param.name] = value


def _chosen(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    bits: dict[str, int] = ctx.meta.get(_KEY, {})
    if not bits:
        return value
    given = ", ".join(f"--{name}" for name in _OPTIONS if name in bits)
    if value is not None:
        raise click.UsageError(f"--recipe says the bit widths already; leave out {given}, or edit a copy of the recipe")
    both = bits.get("bits", 8)
    return f"w{bits.get('weights', both)}a{bits.get('activations', both)}"


recipe_option = click.option(
    "--recipe",
    metavar="NAME|FILE",
    callback=_chosen,
    help="See gdfq-export recipes list.  [default: w8a8-ort-cpu]",
)
"""The command receives None where neither it nor a bit width was given."""
