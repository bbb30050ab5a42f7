"""Intervals of figures that are no means over images: the images are drawn again, with replacement."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_DRAWS = 1000


def bootstrap_interval(
    figure: Callable[[NDArray[np.float64]], float], images: int, *, seed: int = 0
) -> tuple[float, float]:
    """The 95 % percentile interval (Efron 1979) of a figure of `images`; the figure itself where there is one image.

    Args:
        figure: of the weights of the images, float64 [images], which sum to their number.
        images: how many.
        seed: of the draws; the same one gives the same interval.

    Example:
        >>> values = np.arange(100.0)
        >>> low, high = bootstrap_interval(lambda weights: float(weights @ values / weights.sum()), 100)
        >>> 40 < low < 49.5 < high < 60
        True
    """
    if images < 2:
        value = figure(np.ones(images))
        return value, value
    draws = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=_DRAWS)
    found = [figure(weights.astype(np.float64)) for weights in draws]
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)
