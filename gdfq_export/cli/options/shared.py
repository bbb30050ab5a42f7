"""Options that several commands share, and the forms their values take."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import click

from gdfq_export.cli.logs import LEVELS, set_up_logging

__all__ = [
    "DURATION",
    "NAMES",
    "NUMBERS",
    "SHAPE",
    "compute_options",
    "details_option",
    "log_level_option",
    "model_argument",
    "preprocessing_options",
    "run_options",
]

Command = TypeVar("Command", bound=Callable[..., Any])


class _Numbers(click.ParamType):
    """Comma-separated numbers, one for each channel."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers; give one for each channel, for instance 0.485,0.456,0.406")


class _Duration(click.ParamType):
    """Seconds: 90s, 10m, 1h, or a preset."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = PRESETS.get(value, value)
        try:
            seconds = float(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1:]]
        except (ValueError, KeyError):
            seconds = math.nan
        if not 0 < seconds < math.inf:
            self.fail(f"{value!r} is not a time; give for instance 90s, 10m or 1h, or one of {', '.join(PRESETS)}")
        return seconds


class _Names(click.ParamType):
    """Comma-separated names, each once."""

    name = "NAMES"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(part.strip() for part in value.split(",")))
        if not all(names):
            self.fail(f"{value!r} is not a list of names; separate them by commas")
        return names


class _Shape(click.ParamType):
    """C,H,W as positive integers."""

    name = "C,H,W"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int, int]:
        if isinstance(value, tuple):
            return value
        parts = value.split(",")
        if len(parts) != 3 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
            self.fail(f"{value!r} is not a shape; give channels, height and width, for instance 3,32,32")
        channels, height, width = (int(part) for part in parts)
        return channels, height, width


PRESETS = {"fast": "2m", "balanced": "10m", "best": "1h"}
NUMBERS, SHAPE, DURATION, NAMES = _Numbers(), _Shape(), _Duration(), _Names()

model_argument = click.argument("model", required=False)
details_option = click.option("--details", is_flag=True, help="Print every figure of the report, not only the summary.")


def log_level_option(command: Command) -> Command:
    """--log-level, in force before the command starts."""
    return click.option(
        "--log-level",
        type=click.Choice(LEVELS),
        default="warning",
        show_default=True,
        expose_value=False,
        is_eager=True,
        callback=lambda ctx, param, value: set_up_logging(value),
        help="info: a line for each phase where no terminal shows progress; debug: also libraries and tracebacks.",
    )(command)


def preprocessing_options(command: Command) -> Command:
    """How pixels become the network's input; they win over the sidecar NAME.json beside the model."""
    for option in (
        click.option("--input-shape", type=SHAPE, help="Shape of one image, where the network leaves it open."),
        click.option("--std", type=NUMBERS, metavar="R,G,B", help="Divides at last; one number, or one a channel."),
        click.option("--mean", type=NUMBERS, metavar="R,G,B", help="Is subtracted then; one number, or one a channel."),
        click.option("--scale", type=float, help="Divides pixels 0..255 first: 255 makes 0..1 of them, 1 leaves them."),
    ):
        command = option(command)
    return command


def compute_options(command: Command) -> Command:
    """Seed, threads, device and log level."""
    command = log_level_option(command)
    for option in (
        click.option(
            "--device",
            type=click.Choice(("auto", "cpu", "cuda")),
            default="auto",
            show_default=True,
            help="Where networks are trained; auto takes a GPU where there is one.",
        ),
        click.option("--threads", type=click.IntRange(min=1), help="Threads to train with.  [default: all cores]"),
        click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of all chance."),
    ):
        command = option(command)
    return command


def run_options(command: Command) -> Command:
    """Recipe, seed, threads, device and log level."""
    recipe = click.option(
        "--recipe", metavar="NAME|FILE", help="See gdfq-export recipes list.  [default: w8a8-ort-cpu]"
    )
    return recipe(compute_options(command))
