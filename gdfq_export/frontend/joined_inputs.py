"""A batch of several inputs, joined to `[N, F]`, taken apart; `calib.joined_inputs` says why there is such a thing.

Nothing is imported here that a process would not have that only runs a file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

Batch = TypeVar("Batch", bound=Any)


def split_inputs(batch: Batch, shapes: Sequence[Sequence[int]]) -> list[Batch]:
    """Give each input of a tensor or array `[N, F]` in its own shape `[N, *shape]`, in the order of `shapes`."""
    parts, start = [], 0
    for shape in shapes:
        stop = start + math.prod(shape)
        parts.append(batch[:, start:stop].reshape(len(batch), *shape))
        start = stop
    return parts
