"""What turns pixels into the network's input, and so bounds what an image can be: from flags, a sidecar, or assumed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from calib.input_spec import IMAGE_RANK, InputSpec
from calib.joined_inputs import JoinedInputs
from calib.synthetic_set import KEYS
from gdfq_export.errors import InputError

_T = TypeVar("_T")
_STANDARDISED: dict[str, Any] = {"scale": 255.0, "mean": (0.5,), "std": (1 / 6,)}  # mean 0, deviation 1, from -3 to 3


InputShape = Sequence[int] | Mapping[str, Sequence[int]]
"""Sizes of one input without the batch, or of several inputs by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What one origin says about images; None where it says nothing. One mean or std stands for all channels.

    `inputs` is what it says of several inputs by name; the rest is then of every image among them.
    """

    origin: str
    input_shape: tuple[int, ...] | None = None
    scale: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    inputs: Mapping[str, Stated] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        *,
        scale: float | None,
        mean: float | Sequence[float] | None,
        std: float | Sequence[float] | None,
        input_shape: InputShape | None,
        origin: str,
    ) -> Stated:
        """Make one from loose values.

        Raises:
            InputError: `input_shape` is not positive integers.
        """
        if isinstance(input_shape, Mapping):
            shapes = {
                name: cls.of(scale=None, mean=None, std=None, input_shape=each, origin=origin)
                for name, each in input_shape.items()
            }
            whole = cls.of(scale=scale, mean=mean, std=std, input_shape=None, origin=origin)
            return dataclasses.replace(whole, inputs=shapes)
        shape = None
        if input_shape is not None:
            shape = tuple(input_shape)
            if not shape or not all(isinstance(size, int) and size > 0 for size in shape):
                raise InputError(
                    f"the input shape {list(shape)} from {origin} cannot be; "
                    "give positive integers without the batch, such as 3,224,224"
                )
        return cls(origin=origin, input_shape=shape, scale=scale, mean=_as_tuple(mean), std=_as_tuple(std))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Sizes of several inputs by name, as far as they are stated."""
        return {name: each.input_shape for name, each in self.inputs.items() if each.input_shape is not None}

    def of_input(self, name: str, shape: tuple[int, ...]) -> Stated:
        """What it says of one of several inputs; what it says of all counts for images alone."""
        own = self.inputs.get(name, Stated(origin=self.origin))
        if own.states_preprocessing or len(shape) != IMAGE_RANK:
            return own
        return dataclasses.replace(own, scale=self.scale, mean=self.mean, std=self.std)

    @property
    def states_preprocessing(self) -> bool:
        """Whether at least one of scale, mean and std is stated."""
        return not (self.scale is None and self.mean is None and self.std is None)


def input_spec(flags: Stated, known: Stated, shape: tuple[int, ...], source: str) -> tuple[InputSpec, tuple[str, ...]]:
    """Combine what is stated, flags first, with the graph's input shape, (C, H, W) of images; also return warnings.

    Raises:
        InputError: numbers that cannot be a preprocessing, or not one for each channel.
    """
    warnings: tuple[str, ...] = ()
    images = len(shape) == IMAGE_RANK
    if not images and not flags.states_preprocessing and not known.states_preprocessing:
        known = dataclasses.replace(known, **_STANDARDISED)
        warnings = (
            f"nothing says which values the input {list(shape)} of {source} takes: they are assumed to be standardised "
            "(mean 0, deviation 1, from -3 to 3); if that is wrong pass --mean, --std and --scale or write a sidecar "
            "file, where values go from -mean / std to (255 / scale - mean) / std",
        )
    elif not flags.states_preprocessing and not known.states_preprocessing:
        warnings = (
            f"nothing says how pixels become the input of {source}: it is assumed that they are divided by 255 (scale "
            "255, mean 0, std 1); if that is wrong the synthetic images are too, so pass --scale, --mean and --std or "
            "write a sidecar file",
        )
    scale = _first(flags.scale, known.scale, 255.0)
    mean = _first(flags.mean, known.mean, (0.0,))
    std = _first(flags.std, known.std, (1.0,))
    try:
        spec = InputSpec(shape=shape, scale=scale, mean=_spread(mean, shape[0]), std=_spread(std, shape[0]))
    except ValueError as error:
        origin = flags.origin if flags.states_preprocessing else known.origin
        raise InputError(f"the preprocessing of {source} from {origin} cannot be used: {error}") from error
    return spec, warnings


def joined_spec(
    flags: Stated, known: Stated, shapes: Mapping[str, tuple[int, ...]], source: str
) -> tuple[InputSpec, tuple[str, ...]]:
    """The inputs of a network of several, each as `input_spec` gives it.

    Raises:
        InputError: as `input_spec` says; an input has the name of another array in files of images.
    """
    if taken := [name for name in shapes if name in KEYS[1:]]:
        raise InputError(
            f"{source} has an input called {taken[0]}, which is another array in files of images; rename the input"
        )
    specs, warnings = {}, list[str]()
    for name, shape in shapes.items():
        own, others = (each.of_input(name, shape) for each in (flags, known))
        specs[name], said = input_spec(own, others, shape, f"{source} ({name})")
        warnings += said
    return JoinedInputs.of(specs), tuple(warnings)


def as_pixels(source: str, *stated: Stated) -> Stated:
    """The preprocessing of a network that takes uint8: none, since it is in the graph.

    Raises:
        InputError: one of `stated` says another.
    """
    for each in stated:
        if each.states_preprocessing and (each.scale, each.mean, each.std) != (1.0, (0.0,), (1.0,)):
            raise InputError(
                f"{source} takes pixels as uint8 and prepares them itself, but {each.origin} states a preprocessing; "
                "leave scale, mean and std out"
            )
    return Stated(origin="its uint8 input", scale=1.0)


def _first(*values: _T | None) -> _T:
    return next(value for value in values if value is not None)


def _as_tuple(value: float | Sequence[float] | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    return (float(value),) if isinstance(value, int | float) else tuple(float(number) for number in value)


def _spread(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return values * channels if len(values) == 1 else values
