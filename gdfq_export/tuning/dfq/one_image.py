"""Numbers of channels in the shape that a value has for one image, or for the batch that its graph is fixed to."""

from __future__ import annotations

import re

import onnx_ir as ir
from torch import Tensor


def spread(channels: Tensor, value: ir.Value) -> Tensor:
    """Numbers [1, C], or a row of them for each row of `value`, as [rows, C, ...].

    Where `value` has several rows of each image in its first axis (windows), all of them are there.
    """
    assert value.shape is not None
    sizes = [int(size) for size in list(value.shape)[2:]]  # type: ignore[arg-type]
    spatial = channels.reshape(len(channels), -1, *[1] * len(sizes))
    return spatial.expand(_rows(value.shape[0]), -1, *sizes)


def by_channel(x: Tensor) -> Tensor:
    """Numbers [rows, C, ...] as [C, all of a channel]."""
    return x.transpose(0, 1).reshape(x.shape[1], -1)


def _rows(size: int | ir.SymbolicDim) -> int:
    """Rows of one image in an axis that is `batch` or `4*batch`; of a fixed batch its size."""
    if isinstance(size, int):
        return size
    several = re.match(r"(\d+)\*", str(size))
    return int(several[1]) if several else 1
