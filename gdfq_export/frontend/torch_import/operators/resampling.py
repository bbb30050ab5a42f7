"""Resize (opset 19), DepthToSpace, SpaceToDepth, Tile and Expand: elements at other places, or between two."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calib.device.transfer import send
from gdfq_export.frontend.torch_import.node_reader import Lowering, NodeReader, Op

_Places = NDArray[Any]

_NEAREST: dict[str, Callable[[_Places], _Places]] = {
    "round_prefer_floor": lambda places: np.ceil(places - np.float32(0.5)),
    "round_prefer_ceil": lambda places: np.floor(places + np.float32(0.5)),
    "floor": np.floor,
    "ceil": np.ceil,
}
_COORDINATES: dict[str, Callable[[_Places, float, int, int], _Places]] = {
    "half_pixel": lambda at, scale, size, length: (at + 0.5) / scale - 0.5,
    "half_pixel_symmetric": lambda at, scale, size, length: (
        size / 2 * (1 - length / (scale * size)) + (at + 0.5) / scale - 0.5
    ),
    "pytorch_half_pixel": lambda at, scale, size, length: (at + 0.5) / scale - 0.5 if length > 1 else 0 * at,
    "align_corners": lambda at, scale, size, length: at * (size - 1) / max(length - 1, 1),
    "asymmetric": lambda at, scale, size, length: at / scale,
}


def resize(
    x: Tensor,
    *,
    axes: tuple[int, ...],
    scales: tuple[float, ...],
    sizes: tuple[int, ...],
    coordinates: str,
    nearest: str | None,
    cubic: tuple[float, bool] | None = None,
) -> Tensor:
    """Resize `axes` by `scales`, or to `sizes`: the `nearest` element, `cubic` between four, else linear between two.

    `cubic` is the coefficient, and whether elements outside of x are left out.
    """
    for index, axis in enumerate(axes):
        size = x.shape[axis]
        scale = scales[index] if scales else sizes[index] / size
        length = sizes[index] if sizes else math.floor(size * scale)
        if scale == 1.0 and length == size:
            continue
        at = np.arange(length, dtype=np.float32)
        places = np.asarray(_COORDINATES[coordinates](at, scale, size, length), np.float32)
        if nearest is not None:
            x = _select(x, axis, _NEAREST[nearest](places))
            continue
        if cubic is not None:
            x = _cubic(x, axis, places, *cubic)
            continue
        below = np.floor(places)
        share = _sent(places - below, x).reshape(-1, *[1] * (x.dim() - 1 - axis % x.dim()))
        x = _select(x, axis, below) * (1 - share) + _select(x, axis, below + 1) * share
    return x


def _cubic(x: Tensor, axis: int, places: _Places, coefficient: float, exclude_outside: bool) -> Tensor:
    """The sum of four elements by Keys' kernel (IEEE Trans. ASSP 29, 1981)."""
    first = np.floor(places) - 1
    a, reads = coefficient, np.stack([first + tap for tap in range(4)])
    far = np.abs(places - reads)
    near = ((a + 2) * far - (a + 3)) * far * far + 1
    weights = np.where(far <= 1, near, ((a * far - 5 * a) * far + 8 * a) * far - 4 * a)
    if exclude_outside:
        weights = np.where((reads >= 0) & (reads < x.shape[axis]), weights, 0)
        weights = weights / weights.sum(0)
    shape = (-1, *[1] * (x.dim() - 1 - axis % x.dim()))
    parts = [_select(x, axis, read) * _sent(each, x).reshape(shape) for read, each in zip(reads, weights, strict=True)]
    return torch.stack(parts).sum(0)


def _select(x: Tensor, axis: int, places: _Places) -> Tensor:
    indices = np.clip(places, 0, x.shape[axis] - 1).astype(np.int64)
    return x.index_select(axis, send(torch.from_numpy(indices), x.device))


def _sent(numbers: _Places, x: Tensor) -> Tensor:
    """Numbers in the type and on the device of x."""
    return send(torch.from_numpy(numbers).to(x.dtype), x.device)


def depth_to_space(x: Tensor, *, block: int, columns_first: bool) -> Tensor:
    """Move channels of [N, C * block**2, H, W] to blocks of [N, C, H * block, W * block]; `columns_first` is CRD."""
    batch, channels, height, width = x.shape
    inner = channels // block**2
    split = (
        (batch, inner, block, block, height, width) if columns_first else (batch, block, block, inner, height, width)
    )
    order = (0, 1, 4, 2, 5, 3) if columns_first else (0, 3, 4, 1, 5, 2)
    return x.reshape(split).permute(order).reshape(batch, inner, height * block, width * block)


def space_to_depth(x: Tensor, *, block: int, columns_first: bool) -> Tensor:
    """Move blocks of [N, C, H, W] to channels: the inverse of `depth_to_space`."""
    batch, channels, height, width = x.shape
    split = x.reshape(batch, channels, height // block, block, width // block, block)
    order = (0, 1, 3, 5, 2, 4) if columns_first else (0, 3, 5, 1, 2, 4)
    return split.permute(order).reshape(batch, channels * block**2, height // block, width // block)


def tile(x: Tensor, *, repeats: Sequence[int]) -> Tensor:
    """Repeat x along every axis."""
    return x.repeat(tuple(repeats))


def expand(x: Tensor, *, shape: Sequence[int]) -> Tensor:
    """Broadcast x and `shape` with each other."""
    return x.expand(torch.broadcast_shapes(x.shape, tuple(shape)))


def expand_to(x: Tensor, shape: Tensor) -> Tensor:
    """Broadcast x and a shape that the graph computes with each other."""
    return expand(x, shape=shape.tolist())


def tile_by(x: Tensor, repeats: Tensor) -> Tensor:
    """Repeat x along every axis by numbers that the graph computes."""
    return tile(x, repeats=repeats.tolist())


def _lower_expand(reader: NodeReader) -> Op:
    constant = reader.is_constant(1)
    return reader.op(expand, 0, shape=reader.constant_ints(1, "shape")) if constant else reader.op(expand_to, 0, 1)


def _lower_tile(reader: NodeReader) -> Op:
    constant = reader.is_constant(1)
    return reader.op(tile, 0, repeats=reader.constant_ints(1, "repeats")) if constant else reader.op(tile_by, 0, 1)


def _lower_resize(reader: NodeReader) -> Op:
    mode = reader.text("mode", "nearest", ("nearest", "linear", "cubic"))
    coordinates = reader.text("coordinate_transformation_mode", "half_pixel", tuple(_COORDINATES))
    reader.text("keep_aspect_ratio_policy", "stretch", ("stretch",))
    if reader.integer("antialias", 0):
        raise reader.refuse("has antialias", "antialias 0")
    scales, sizes = reader.constant(2, "scales"), reader.constant_ints(3, "sizes") or ()
    factors = () if scales is None else tuple(float(factor) for factor in scales.reshape(-1))
    axes = reader.integers("axes", tuple(range(len(factors or sizes))))
    nearest = reader.text("nearest_mode", "round_prefer_floor", tuple(_NEAREST)) if mode == "nearest" else None
    exclude = bool(reader.integer("exclude_outside", 0))
    cubic = (reader.number("cubic_coeff_a", -0.75), exclude) if mode == "cubic" else None
    if exclude and mode == "linear":
        raise reader.refuse("excludes what is outside", "exclude_outside 0 where mode is linear")
    return reader.op(
        resize, 0, axes=axes, scales=factors, sizes=sizes, coordinates=coordinates, nearest=nearest, cubic=cubic
    )


def _lower_blocks(reader: NodeReader, function: Callable[..., Tensor]) -> Op:
    columns_first = reader.text("mode", "DCR", ("DCR", "CRD")) == "CRD"
    return reader.op(function, 0, block=reader.integer("blocksize", 1), columns_first=columns_first)


OPERATORS: dict[str, Lowering] = {
    "DepthToSpace": lambda reader: _lower_blocks(reader, depth_to_space),
    "Expand": _lower_expand,
    "Resize": _lower_resize,
    "SpaceToDepth": lambda reader: _lower_blocks(reader, space_to_depth),
    "Tile": _lower_tile,
}
