"""The range that GDFQ's activation quantizers learn: a moving average of each batch's smallest and largest value.

m_t = beta * m_(t-1) + (1 - beta) * x_t, read as m_t / (1 - beta^t), beta = 0.9 (Adam's correction of the start at 0).
The authors' code divides by 1 - beta^t and stores the quotient, so that the next step divides it again: the range
first grows to thousands of times the true one and returns only after some hundred batches. Fixed here.
"""

from __future__ import annotations

import torch
from torch import Tensor

BETA = 0.9


class MovingRange:
    """A `calib.ranges.RangeEstimator` that forgets: batches long past hardly count."""

    def __init__(self) -> None:
        self._low = 0.0
        self._high = 0.0
        self._left = 1.0  # beta^t: what is left of the start

    def observe(self, tensor: Tensor) -> None:
        """Move towards the smallest and the largest element of `tensor`, of any shape.

        Raises:
            ValueError: an element is NaN or infinite.
        """
        low, high = torch.stack(tensor.detach().aminmax()).tolist()
        if not (low > -torch.inf and high < torch.inf):
            raise ValueError("a tensor with NaN or infinite elements has no range")
        self._low = BETA * self._low + (1 - BETA) * low
        self._high = BETA * self._high + (1 - BETA) * high
        self._left *= BETA

    def state(self) -> list[float]:
        """Everything, as a checkpoint keeps it."""
        return [self._low, self._high, self._left]

    def restore(self, state: list[float]) -> None:
        """The inverse of `state`."""
        self._low, self._high, self._left = state

    def range(self) -> tuple[float, float]:
        """Give (low, high), low <= 0 <= high.

        Raises:
            ValueError: nothing has been observed.
        """
        if self._left == 1.0:
            raise ValueError("no range without data: observe a tensor first")
        share = 1.0 - self._left
        return min(0.0, self._low / share), max(0.0, self._high / share)
