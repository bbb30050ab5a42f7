"""Dead leaves: opaque shapes of all sizes laid over one another until the image is full.

With radii drawn from a density proportional to r^-3, such images share with natural images what noise lacks: scale
invariance, sharp edges of full contrast, flat regions between them, and occlusion (Lee, Mumford and Huang, IJCV 2001;
as training images without photographs: Baradad et al., "Learning to See by Looking at Noise", arXiv 2106.05963). A
network's first layers respond to them about as to photographs, once they are softened in two ways: each edge is spread
over neighbouring pixels, as a lens does it, and contrast is lowered. Otherwise the outputs of the first layers vary by
a third more than BatchNorm's statistics, and all later layers are off by as much.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calib.input_spec import InputSpec
from calib.samplers import StepReport

LEAVES = 250
SMALLEST, LARGEST = 0.02, 0.5  # radii, as shares of the shorter side
SMALLEST_RADIUS = 1.0  # pixels
COLOUR_SPREAD = 0.12  # of the channels around a leaf's brightness
GRAIN = 0.02  # noise in the pixels of every second leaf
CONTRAST = 0.8  # of the leaves around the centre of the input
Box = tuple[slice, slice]

LENS = (0.25, 0.5, 0.25)  # share of a pixel's light that goes to its neighbours, along rows and along columns


class DeadLeavesSampler:
    """Draw dead leaves with labels that mean nothing; the brightness of leaves covers the whole range of the input."""

    source = "dead leaves"

    def __init__(self, input_spec: InputSpec, num_classes: int, seed: int = 0) -> None:
        self._input_spec = input_spec
        self._num_classes = num_classes
        self._random = np.random.default_rng(seed)

    def draw(self, count: int, batch: int, on_step: StepReport | None = None) -> tuple[Tensor, Tensor]:
        """Draw images float32 [count, C, H, W] and labels int64 [count], one image at a time, whatever `batch`."""
        del batch, on_step
        spec = self._input_spec
        low, high, centre = (self._over_positions(np.asarray(each)) for each in (spec.low, spec.high, spec.centre))
        leaves = (_through_lens(low + self._image() * (high - low)) for _ in range(count))
        images = np.stack([centre + CONTRAST * (image - centre) for image in leaves])
        labels = self._random.integers(self._num_classes, size=count)
        return torch.from_numpy(images), torch.from_numpy(labels)

    def _image(self) -> NDArray[np.float32]:
        """Lay leaves from front to back: [C, H, W] within [0, 1]."""
        channels, height, width = self._input_spec.shape
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
        image = np.empty((channels, height, width), np.float32)
        image[:] = self._over_positions(self._colour())
        free = np.ones((height, width), bool)
        for _ in range(LEAVES):
            box, leaf = self._leaf(rows, columns)
            leaf &= free[box]
            free[box] &= ~leaf
            size = int(leaf.sum())
            grain = self._random.normal(0, GRAIN, (channels, size)) if self._random.random() < 0.5 else 0.0
            image[:, *box][:, leaf] = np.clip(self._colour()[:, None] + grain, 0, 1)
        return image

    def _leaf(self, rows: NDArray[np.float32], columns: NDArray[np.float32]) -> tuple[Box, NDArray[np.bool_]]:
        """Cover an ellipse or a rectangle somewhere, turned by any angle; also give the part of the image it is in."""
        random, (height, width) = self._random, rows.shape
        radius = self._radius(min(height, width))
        down, right = random.uniform(-0.1, 1.1, 2) * (height, width)
        angle, aspect = random.uniform(0, np.pi), random.uniform(0.4, 1.0)
        reach = 1.5 * radius + 1  # a corner of a square is 1.42 radii away
        box = (_around(down, reach), _around(right, reach))
        rows, columns = rows[box], columns[box]
        along = ((columns - right) * np.cos(angle) + (rows - down) * np.sin(angle)) / radius
        across = ((rows - down) * np.cos(angle) - (columns - right) * np.sin(angle)) / (radius * aspect)
        if random.random() < 0.5:
            return box, np.asarray(along**2 + across**2 < 1)
        return box, np.asarray((np.abs(along) < 1) & (np.abs(across) < 1))

    def _radius(self, shorter: int) -> float:
        """Draw a radius in pixels, of density r^-3, for an input whose shorter side is given."""
        smallest = max(SMALLEST * shorter, SMALLEST_RADIUS)
        largest = max(LARGEST * shorter, smallest)
        return float((smallest**-2 + (largest**-2 - smallest**-2) * self._random.random()) ** -0.5)

    def _colour(self) -> NDArray[np.float32]:
        """Choose a brightness and channels around it: [C] within [0, 1]."""
        brightness = self._random.random()
        colour = np.clip(brightness + self._random.normal(0, COLOUR_SPREAD, self._input_spec.shape[0]), 0, 1)
        return colour.astype(np.float32)

    def _over_positions(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """One number a channel, as float32 [C, 1, ...]."""
        return values.astype(np.float32).reshape(-1, *[1] * (len(self._input_spec.shape) - 1))


def _around(centre: float, reach: float) -> slice:
    return slice(max(0, math.floor(centre - reach)), max(0, math.ceil(centre + reach)))


def _through_lens(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Spread each position of [C, ...] over its neighbours; the border is repeated outwards."""
    for axis in range(1, image.ndim):
        before, at, after = (np.float32(share) for share in LENS)
        padded = np.pad(image, [(1, 1) if axis == index else (0, 0) for index in range(image.ndim)], mode="edge")
        size = image.shape[axis]
        parts = [np.take(padded, np.arange(start, start + size), axis=axis) for start in range(3)]
        image = before * parts[0] + at * parts[1] + after * parts[2]
    return image
