"""--bits, --weights and --activations: the shipped recipe with these bit widths, in the spellings other tools use."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
_KEY = "gdfq_export.bits"
_OPTIONS = ("bits", "weights", "activations")


class _BitWidth(click.ParamType):
    """A number of bits: 8, int8, uint8, w8, a8."""

    name = "BITS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = re.fullmatch(r"(?:u?int|w|a)?(\d)", str(value).lower())
        if not found:
            self.fail(f"{value!r} is not a bit width; give for instance int8, int4 or 4", param, ctx)
        return int(found[1])


def bits_options(command: Command) -> Command:
    """Add the three options; `recipe_option` turns them into the name of a recipe, so the command does not see them."""
    for name, what in (
        ("activations", "Bit width of activations.  [default: 8]"),
        ("weights", "Bit width of weights.  [default: 8]"),
        ("bits", "Bit width of both, as int8 or 4: short for the --recipe that has them."),
    ):
        option = click.option(
            f"--{name}", type=_BitWidth(), is_eager=True, expose_value=False, callback=_remembered, help=what
        )
        command = option(command)
    return command


def recipe_option(command: Command) -> Command:
    """Add --recipe; the command receives None where neither it nor a bit width was given."""
    return click.option(
        "--recipe",
        metavar="NAME|FILE",
        callback=_chosen,
        help="See gdfq-export recipes list.  [default: w8a8-ort-cpu]",
    )(command)


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
