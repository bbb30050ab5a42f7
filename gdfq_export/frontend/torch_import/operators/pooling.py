"""MaxPool (opset 12), AveragePool (opset 19), LpPool (opset 18), and their global forms.

Windows follow ONNX, which differs from torch in asymmetric padding, in padding wider than half a kernel and in
`ceil_mode`: where torch's own pooling cannot say it, the input is padded to exactly the cells the windows read.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from gdfq_export.frontend.torch_import.node_reader import Lowering, NodeReader, Op
from gdfq_export.frontend.torch_import.operators.padding import (
    Pads,
    output_size,
    pad_spatial,
    read_pads,
    same_on_both_sides,
    spatial_pads,
)

_MAX_POOLS = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
_AVERAGE_POOLS = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}
_CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}


def max_pool(
    x: Tensor,
    *,
    kernel: tuple[int, ...],
    pads: Pads,
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
) -> Tensor:
    """Return the maximum of every window of [N, C, H, W]; padding never wins."""
    pool = _MAX_POOLS[len(kernel)]
    sides = spatial_pads(pads, x.shape[2:], kernel, stride, dilation)
    if _torch_can_pad(sides, kernel) and not ceil_mode:
        return pool(x, kernel, stride, tuple(begin for begin, _ in sides), dilation)
    windows = _windows(x, sides, kernel, stride, dilation, ceil_mode)
    return pool(pad_spatial(x, windows, -math.inf), kernel, stride, 0, dilation)


def average_pool(
    x: Tensor,
    *,
    kernel: tuple[int, ...],
    pads: Pads,
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
    count_include_pad: bool,
) -> Tensor:
    """Return the mean of every window of [N, C, H, W], over its input cells or, if `count_include_pad`, padding too.

    Cells that only `ceil_mode` adds are never counted.
    """
    sides = spatial_pads(pads, x.shape[2:], kernel, stride, dilation)
    plain = max(dilation) == 1
    if plain and _torch_can_pad(sides, kernel) and not ceil_mode:
        pool = _AVERAGE_POOLS[len(kernel)]
        return pool(x, kernel, stride, tuple(begin for begin, _ in sides), False, count_include_pad)
    windows = _windows(x, sides, kernel, stride, dilation, ceil_mode)
    counted = x.new_ones((1, 1, *x.shape[2:]))
    unread = windows
    if count_include_pad:
        counted = pad_spatial(counted, sides, 1.0)
        unread = [(0, window_end - end) for (_, window_end), (_, end) in zip(windows, sides, strict=True)]
    sums = _window_sums(pad_spatial(x, windows, 0.0), kernel, stride, dilation)
    return sums / _window_sums(pad_spatial(counted, unread, 0.0), kernel, stride, dilation)


def _window_sums(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> Tensor:
    """Sum every window of [N, C, ...]: a convolution with ones, because torch's average pooling has no dilation."""
    channels = x.reshape(-1, 1, *x.shape[2:])
    sums = _CONVOLUTIONS[len(kernel)](channels, x.new_ones((1, 1, *kernel)), None, stride, 0, dilation)
    return sums.reshape(*x.shape[:2], *sums.shape[2:])


def _torch_can_pad(sides: list[tuple[int, int]], kernel: tuple[int, ...]) -> bool:
    return same_on_both_sides(sides) and all(2 * begin <= k for (begin, _), k in zip(sides, kernel, strict=True))


def _windows(
    x: Tensor,
    sides: list[tuple[int, int]],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
) -> list[tuple[int, int]]:
    """Return the padding (begin, end) per axis that leaves exactly the cells that windows read; an end may crop."""
    exact = []
    for size, side, k, s, d in zip(x.shape[2:], sides, kernel, stride, dilation, strict=True):
        count = output_size(size, side, k, s, d, ceil_mode)
        exact.append((side[0], (count - 1) * s + (k - 1) * d + 1 - size - side[0]))
    return exact


def global_average_pool(x: Tensor) -> Tensor:
    """Return the mean over the spatial axes of [N, C, H, W] as [N, C, 1, 1]."""
    return x.mean(dim=tuple(range(2, x.dim())), keepdim=True)


def global_max_pool(x: Tensor) -> Tensor:
    """Return the maximum over the spatial axes of [N, C, H, W] as [N, C, 1, 1]."""
    return x.amax(dim=tuple(range(2, x.dim())), keepdim=True)


def lp_pool(
    x: Tensor,
    *,
    kernel: tuple[int, ...],
    pads: Pads,
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
    order: int,
) -> Tensor:
    """Return the norm of every window of [N, C, H, W]."""
    sides = spatial_pads(pads, x.shape[2:], kernel, stride, dilation)
    windows = _windows(x, sides, kernel, stride, dilation, ceil_mode)
    sums = _window_sums(pad_spatial(x.abs() ** order, windows, 0.0), kernel, stride, dilation)
    return sums.pow(1 / order)


def global_lp_pool(x: Tensor, *, order: int) -> Tensor:
    """Return the norm over the spatial axes of [N, C, H, W] as [N, C, 1, 1]."""
    norm: Tensor = torch.linalg.vector_norm(x, order, dim=tuple(range(2, x.dim())), keepdim=True)
    return norm


def _lower_pool(reader: NodeReader, function: Callable[..., Tensor], **kwargs: int) -> Op:
    kernel = reader.integers("kernel_shape", ())
    if not kernel or len(kernel) not in _MAX_POOLS:
        raise reader.refuse(f"has kernel_shape {list(kernel or ())}", "one to three numbers")
    rank = len(kernel)
    ones = (1,) * rank
    return reader.op(
        function,
        0,
        kernel=kernel,
        pads=read_pads(reader, rank),
        stride=reader.integers("strides", ones, rank),
        dilation=reader.integers("dilations", ones, rank),
        ceil_mode=bool(reader.integer("ceil_mode", 0)),
        **kwargs,
    )


def _lower_max_pool(reader: NodeReader) -> Op:
    reader.refuse_extra_outputs("indices of the maxima")
    return _lower_pool(reader, max_pool)


def _lower_average_pool(reader: NodeReader) -> Op:
    return _lower_pool(reader, average_pool, count_include_pad=bool(reader.integer("count_include_pad", 0)))


OPERATORS: dict[str, Lowering] = {
    "AveragePool": _lower_average_pool,
    "GlobalAveragePool": lambda reader: reader.op(global_average_pool, 0),
    "GlobalMaxPool": lambda reader: reader.op(global_max_pool, 0),
    "GlobalLpPool": lambda reader: reader.op(global_lp_pool, 0, order=reader.integer("p", 2)),
    "LpPool": lambda reader: _lower_pool(reader, lp_pool, order=reader.integer("p", 2)),
    "MaxPool": _lower_max_pool,
}
