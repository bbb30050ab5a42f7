"""Piecewise constant inputs of any rank: dead leaves whose leaves are intervals or boxes.

What dead leaves are for images, these are for signals [C, L] and volumes [C, D, H, W]: edges of full contrast at every
scale, sizes drawn from the same density, softened by the same lens (`dead_leaves.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calib.priors.dead_leaves import LEAVES, DeadLeavesSampler


class PiecewiseConstantSampler(DeadLeavesSampler):
    """Draw boxes upon boxes with labels that mean nothing; their brightness covers the whole range of the input."""

    source = "piecewise constant"

    def _image(self) -> NDArray[np.float32]:
        """Lay boxes from back to front: [C, ...] within [0, 1]."""
        channels, *sizes = self._input_spec.shape
        image = np.empty((channels, *sizes), np.float32)
        image[:] = self._over_positions(self._colour())
        for _ in range(LEAVES):
            radius = self._radius(min(sizes))
            box = tuple(self._side(size, radius) for size in sizes)
            image[:, *box] = self._over_positions(self._colour())
        return image

    def _side(self, size: int, radius: float) -> slice:
        """Where a box of this radius, or up to 0.4 of it, lies along one axis."""
        middle, reach = self._random.uniform(-0.1, 1.1) * size, radius * self._random.uniform(0.4, 1.0)
        return slice(max(0, round(middle - reach)), max(0, round(middle + reach)))
