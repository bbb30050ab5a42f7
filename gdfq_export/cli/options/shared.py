"""Options that several commands share, and the forms their values take."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from gdfq_export.cli.logs import LEVELS, set_up_logging
from gdfq_export.errors import InputError
from gdfq_export.tasks.names import TASK_NAMES

Command = TypeVar("Command", bound=Callable[..., Any])
PRESETS = {"fast": "2m", "balanced": "10m", "best": "1h"}


class Form(click.ParamType):
    """The text of a value in a form of its own.

    Args:
        name: what help calls it.
        read: the text's value; ValueError where it has none.
        expected: what it should have been and an example, for messages.
    """

    def __init__(self, name: str, read: Callable[[str], Any], expected: str) -> None:
        self.name = name
        self.read = read
        self.expected = expected

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value of a text, and what is no text as it is."""
        try:
            return self.read(value) if isinstance(value, str) else value
        except (ValueError, KeyError):
            self.fail(f"{value!r} is not {self.expected}", param, ctx)


def _seconds(text: str) -> float:
    text = PRESETS.get(text, text)
    seconds = float(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1:]]
    if not 0 < seconds < math.inf:
        raise ValueError(text)
    return seconds


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not all(names):
        raise ValueError(text)
    return names


def _shape(text: str) -> tuple[int, ...]:
    sizes = tuple(int(part) if part.strip().isdecimal() else 0 for part in text.split(","))
    if min(sizes) < 1:
        raise ValueError(text)
    return sizes


def _named_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """The name before the last `=`, empty where there is none, and the sizes."""
    name, _, sizes = text.rpartition("=")
    return name, _shape(sizes)


def _shapes(
    ctx: click.Context, param: click.Parameter, given: tuple[tuple[str, tuple[int, ...]], ...]
) -> tuple[int, ...] | dict[str, tuple[int, ...]] | None:
    """The shape of one input, or those of several by name."""
    named = dict(given)
    if not given:
        return None
    if "" in named and len(given) > 1:
        raise click.BadParameter("give one shape, or each with the name of its input, as in left=3,32,32", ctx, param)
    return named.get("", named)


NUMBERS = Form(
    "numbers",
    lambda text: tuple(map(float, text.split(","))),
    "a list of numbers; give one for each channel, for instance 0.485,0.456,0.406",
)
SHAPE = Form(
    "[NAME=]C,H,W",
    _named_shape,
    "a shape; give sizes without the batch, of an image for instance 3,32,32, of one of several inputs left=3,32,32",
)
DURATION = Form("TIME", _seconds, f"a time; give for instance 90s, 10m or 1h, or one of {', '.join(PRESETS)}")
NAMES = Form("NAMES", _names, "a list of names; separate them by commas")
COUNT = click.IntRange(1, 1_000_000)
_THREADS = click.IntRange(1, 256)
SEED = click.IntRange(0, 2**32 - 1)
OUTPUT = click.Path(path_type=Path)


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
json_option = click.option("--json", "json_out", type=OUTPUT, help="Write everything to this file as well.")
log_level_option = click.option(
    "--log-level",
    type=click.Choice(LEVELS),
    default="warning",
    expose_value=False,
    is_eager=True,
    callback=lambda ctx, param, value: set_up_logging(value),
    help="info: a line for each phase where no terminal shows progress; debug: also libraries and tracebacks.",
)


def together(keyword: str, **options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Add options whose values, by name, reach the command as one mapping, its argument `keyword`."""

    def add(command: Command) -> Command:
        def grouped(*args: Any, **values: Any) -> Any:
            return command(*args, **{keyword: {name: values.pop(name) for name in options}}, **values)

        added: Any = functools.wraps(command)(grouped)
        for option in reversed(options.values()):
            added = option(added)
        wrapped: Command = added
        return wrapped

    return add


task_option = click.option(
    "--task",
    type=click.Choice(TASK_NAMES),
    help="What the outputs of a float network mean.  [default: found from the graph]",
)

preprocessing_options = together(
    "preprocessing",
    scale=click.option(
        "--scale", type=float, help="Pixels 0..255 are divided by it first: 255 gives 0..1, 1 keeps them."
    ),
    mean=click.option(
        "--mean",
        type=NUMBERS,
        metavar="R,G,B",
        help="Per-channel mean, subtracted after scaling; one number stands for all channels.",
    ),
    std=click.option(
        "--std",
        type=NUMBERS,
        metavar="R,G,B",
        help="Per-channel std, applied last; one number stands for all channels.",
    ),
    input_shape=click.option(
        "--input-shape",
        type=SHAPE,
        multiple=True,
        callback=_shapes,
        help="Shape of one image, where the network leaves it open; of several inputs give one for each, by NAME.",
    ),
    task=task_option,
    decode=click.option(
        "--decode",
        metavar="MODULE:FUNCTION",
        help="Of a detector: a function of its outputs and of (height, width) that returns boxes, scores, classes.",
    ),
)
"""How pixels become the network's input, and what its outputs mean, as `gq.load` takes it; wins over the sidecar."""

compute_options = together(
    "compute",
    seed=click.option("--seed", type=SEED, default=0, help="Random seed."),
    threads=click.option(
        "--threads", type=_THREADS, help="Threads to compute with.  [default: all cores, one for a small network]"
    ),
    device=click.option(
        "--device",
        type=click.Choice(("auto", "cpu", "cuda")),
        default="auto",
        help="Device for synthesis and tuning; auto uses a GPU if there is one.",
    ),
)
"""Seed, threads and device, as `gq.RunContext` takes them."""
