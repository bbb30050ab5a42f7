"""How many images are computed together, where the result is the same for any number of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

MOST = 64
_LARGE = 128 * 128  # pixels
_CHANNELS = 3  # of images among joined inputs
_PIXELS = 512 * 512  # of all images together


def batch_size(shape: Sequence[int]) -> int:
    """Images of `shape` (C, ...), or joined inputs (F,), to compute together: 64, fewer from 128 x 128 pixels on.

    The values of a batch are then of some ten MB a tensor, which memory allocators keep and processors' caches hold in
    part; values of 64 images of 224 x 224 pixels are returned to the system after each operator, and most of the time
    goes into having them back.

    Example:
        >>> batch_size((3, 32, 32)), batch_size((3, 224, 224)), batch_size((3, 800, 608))
        (64, 5, 1)
    """
    pixels = positions(shape)
    return MOST if pixels < _LARGE else max(1, _PIXELS // pixels)


def positions(shape: Sequence[int]) -> int:
    """Pixels of an image of `shape` (C, ...), or of joined inputs (F,), which may be images of three channels."""
    return math.prod(shape[1:]) if len(shape) > 1 else max(1, shape[0] // _CHANNELS)
