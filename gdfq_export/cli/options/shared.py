"""Options that several commands share, and the forms their values take."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from gdfq_export.cli.logs import LEVELS, set_up_logging
from gdfq_export.cli.options.bits import recipe_option
from gdfq_export.errors import InputError

__all__ = [
    "DURATION",
    "IMAGES",
    "MODEL_FILE",
    "NAMES",
    "NUMBERS",
    "SHAPE",
    "InputPath",
    "checked_model",
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


class InputPath(click.ParamType):
    """A file or folder that exists, checked before torch is imported.

    Args:
        remedy: end of the message where it does not.
    """

    name = "PATH"

    def __init__(self, remedy: str) -> None:
        self.remedy = remedy

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path.

        Raises:
            InputError: there is nothing at it.
        """
        path = Path(value)
        if not path.exists():
            raise InputError(f"{path} does not exist; {self.remedy}")
        return path


IMAGES = InputPath("give an .npz file of images or a folder of images")
MODEL_FILE = InputPath("give the path of an .onnx file")


def checked_model(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """MODEL, if it is something that can be loaded; checked before torch is imported."""
    from gdfq_export.frontend.sources.model_name import require_model

    require_model(value)
    return value


model_argument = click.argument("model", required=False, callback=checked_model)
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
    std = "Per-channel std, applied last; one number stands for all channels."
    mean = "Per-channel mean, subtracted after scaling; one number stands for all channels."
    scale = "Pixels 0..255 are divided by it first: 255 gives 0..1, 1 keeps them."
    for option in (
        click.option("--input-shape", type=SHAPE, help="Shape of one image, where the network leaves it open."),
        click.option(
            "--std",
            type=NUMBERS,
            metavar="R,G,B",
            help=std,
        ),
        click.option(
            "--mean",
            type=NUMBERS,
            metavar="R,G,B",
            help=mean,
        ),
        click.option("--scale", type=float, help=scale),
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
            help="Device for synthesis and tuning; auto uses a GPU if there is one.",
        ),
        click.option("--threads", type=click.IntRange(min=1), help="Threads to compute with.  [default: all cores]"),
        click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Random seed."),
    ):
        command = option(command)
    return command


def run_options(command: Command) -> Command:
    """Recipe, seed, threads, device and log level."""
    return recipe_option(compute_options(command))
