"""What a network takes as an image, or as a signal of another rank: its shape and its preprocessing.

A pixel p of channel c becomes (p / scale - mean[c]) / std[c]. Pixels are 0..255, so the preprocessing also bounds
what an image can be; the generator, the noise sampler and the input quantizer all live inside these bounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

IMAGE_RANK = 3
"""Dimensions of an image without its batch: channels, height, width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """Shape and preprocessing of a network's input: (pixel / scale - mean) / std for each channel.

    Attributes:
        shape: without the batch: (C, H, W) of images, (F,) of vectors, (C, L) of signals, (C, D, H, W) of volumes. The
            first are called channels.
        scale: what pixels 0..255 are divided by first; 255 for networks trained on 0..1, 1 for raw pixels.
        mean: one number for each channel, subtracted after scaling.
        std: one number for each channel, applied last.

    Raises:
        ValueError: a dimension is below 1, a number of means or stds differs from C, or scale or a std is not positive.

    Example:
        >>> from calib import InputSpec
        >>> spec = InputSpec(shape=(1, 28, 28), scale=255.0, mean=(0.5,), std=(0.5,))
        >>> spec.low, spec.high
        ((-1.0,), (1.0,))
    """

    shape: tuple[int, ...]
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check that the numbers describe a preprocessing that can be undone."""
        if min(self.shape, default=0) < 1:
            raise ValueError(f"input shape is {self.shape}; give for instance (C, H, W), each at least 1")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.shape[0] or not all(math.isfinite(value) for value in values):
                raise ValueError(f"{name} is {values}; give one finite number for each of {self.shape[0]} channels")
        if not math.isfinite(self.scale) or self.scale <= 0:
            raise ValueError(f"scale is {self.scale}; give a positive number, 255 for pixels divided by 255")
        if min(self.std) <= 0:
            raise ValueError(f"std is {self.std}; give positive numbers")

    @property
    def low(self) -> tuple[float, ...]:
        """Network input of pixel 0, one value per channel."""
        return tuple((0.0 - mean) / std for mean, std in zip(self.mean, self.std, strict=True))

    @property
    def high(self) -> tuple[float, ...]:
        """Network input of pixel 255, one value per channel."""
        return tuple((255.0 / self.scale - mean) / std for mean, std in zip(self.mean, self.std, strict=True))

    @property
    def centre(self) -> tuple[float, ...]:
        """Where images are likely centred: 0 where the preprocessing subtracts a mean, else the middle of the range."""
        return tuple(
            0.0 if low < 0.0 < high else (low + high) / 2 for low, high in zip(self.low, self.high, strict=True)
        )

    @property
    def spread(self) -> tuple[float, ...]:
        """Likely standard deviation of images: 1 where the preprocessing divides by one, else a quarter of the range.

        Natural images have a standard deviation near a quarter of the pixel range, so a range of about 4 to 5 tells
        that it was divided out.
        """
        ranges = (high - low for low, high in zip(self.low, self.high, strict=True))
        return tuple(1.0 if 3.5 <= width <= 8.0 else width / 4 for width in ranges)

    @property
    def extent(self) -> tuple[int, ...]:
        """Channels and positions that decide how much work an input is: its shape."""
        return self.shape

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of what the network looks at: its own."""
        return self.shape

    @property
    def by_name(self) -> Mapping[str, InputSpec]:
        """The inputs of a network of several (`JoinedInputs`) by name; nothing for a network of one."""
        return {}

    def split(self, batch: Tensor) -> list[Tensor]:
        """Give each input of a batch `[N, *shape]` in its own shape: the batch itself, where there is one."""
        return [batch]

    def normalize(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn pixels uint8 [N, H, W, C] into network input float32 [N, C, H, W], contiguous; other ranks alike."""
        planes = np.moveaxis(pixels, -1, 1).astype(np.float32)
        normal = (planes / np.float32(self.scale) - self._per_channel(self.mean)) / self._per_channel(self.std)
        return np.ascontiguousarray(normal, dtype=np.float32)

    def to_pixels(self, images: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Turn network input float [N, C, H, W] into pixels uint8 [N, H, W, C], rounded and clipped to 0..255."""
        planes = (images * self._per_channel(self.std) + self._per_channel(self.mean)) * np.float32(self.scale)
        return np.ascontiguousarray(np.moveaxis(np.clip(np.rint(planes), 0, 255).astype(np.uint8), 1, -1))

    def from_noise(self, noise: Tensor) -> Tensor:
        """Images [N, C, H, W] spread as likely ones are, from noise of mean 0 and deviation 1, clipped to the range."""
        images = self.plane(self.centre) + self.plane(self.spread) * noise
        return torch.clamp(images, self.plane(self.low), self.plane(self.high))

    def plane(self, values: tuple[float, ...]) -> Tensor:
        """One number a channel, such as `low` or `spread`, as float32 [1, C, 1, 1], to compute with images."""
        return torch.from_numpy(self._per_channel(values))

    def _per_channel(self, values: tuple[float, ...]) -> NDArray[np.float32]:
        return np.asarray(values, dtype=np.float32).reshape(1, -1, *[1] * (len(self.shape) - 1))
