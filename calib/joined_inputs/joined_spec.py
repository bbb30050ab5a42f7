"""Networks of several float inputs: a batch is one tensor `[N, F]`, in which the inputs lie flattened side by side.

So samplers, tuning and evaluation take a batch apart nowhere. Where a network computes with its inputs, `split_inputs`
gives each in its own shape.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from calib.input_spec import InputSpec

Batch = TypeVar("Batch", Tensor, NDArray[np.float32])


def split_inputs(batch: Batch, shapes: Sequence[Sequence[int]]) -> list[Batch]:
    """Give each input of a batch `[N, F]` in its own shape `[N, *shape]`, in the order of `shapes`."""
    parts, start = [], 0
    for shape in shapes:
        stop = start + math.prod(shape)
        parts.append(batch[:, start:stop].reshape(len(batch), *shape))
        start = stop
    return parts


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedInputs(InputSpec):
    """Several inputs as one, of shape `(F,)` and with a mean and a deviation for each element.

    Attributes:
        inputs: by name, in the order in which the network takes them.

    Example:
        >>> from calib import InputSpec, JoinedInputs
        >>> image = InputSpec(shape=(1, 2, 2), scale=255.0, mean=(0.0,), std=(1.0,))
        >>> vector = InputSpec(shape=(3,), scale=255.0, mean=(0.5,) * 3, std=(0.25,) * 3)
        >>> JoinedInputs.of({"image": image, "vector": vector}).shape
        (7,)
    """

    inputs: Mapping[str, InputSpec]

    @classmethod
    def of(cls, inputs: Mapping[str, InputSpec]) -> JoinedInputs:
        """Join inputs that are described one by one."""
        mean = [spec.scale * value for spec in inputs.values() for value in _each_element(spec, spec.mean)]
        std = [spec.scale * value for spec in inputs.values() for value in _each_element(spec, spec.std)]
        return cls(shape=(len(mean),), scale=1.0, mean=tuple(mean), std=tuple(std), inputs=dict(inputs))

    @property
    def extent(self) -> tuple[int, ...]:
        """Channels of the largest input, and positions of all."""
        shapes = [spec.shape for spec in self.inputs.values()]
        return max(shapes, key=math.prod)[0], sum(math.prod(shape[1:]) for shape in shapes)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of the largest input, with images before all others."""
        return max((spec.shape for spec in self.inputs.values()), key=lambda shape: (len(shape) == 3, math.prod(shape)))

    @property
    def by_name(self) -> Mapping[str, InputSpec]:
        """Each input under its name."""
        return self.inputs

    def split(self, batch: Tensor) -> list[Tensor]:
        """Give each input of a batch `[N, F]` in its own shape."""
        return split_inputs(batch, [spec.shape for spec in self.inputs.values()])


def _each_element(spec: InputSpec, values: tuple[float, ...]) -> list[float]:
    """One number a channel, as one for each element of the flattened input."""
    positions = math.prod(spec.shape[1:])
    return [value for value in values for _ in range(positions)]
