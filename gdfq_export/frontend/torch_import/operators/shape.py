"""Operators that move, cut and join elements without computing: Reshape, Slice, Pad, Split and their kind."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from calib.device.transfer import send
from gdfq_export.frontend.torch_import.node_reader import Lowering, NodeReader, Op


def concat(*tensors: Tensor, axis: int) -> Tensor:
    """Join tensors along `axis`."""
    return torch.cat(tensors, dim=axis)


def flatten(x: Tensor, *, axis: int) -> Tensor:
    """Return x as a matrix: axes before `axis` in the rows, the others in the columns."""
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def reshape(x: Tensor, *, shape: Sequence[int], allow_zero: bool) -> Tensor:
    """Reshape x; -1 is what remains, and 0 keeps the axis at its place unless `allow_zero`."""
    if not allow_zero:
        shape = [x.shape[axis] if size == 0 else size for axis, size in enumerate(shape)]
    return x.reshape(tuple(shape))


def reshape_to(x: Tensor, shape: Tensor, *, allow_zero: bool) -> Tensor:
    """Reshape x to a shape that the graph computes."""
    return reshape(x, shape=shape.tolist(), allow_zero=allow_zero)


def transpose(x: Tensor, *, permutation: tuple[int, ...] | None) -> Tensor:
    """Permute axes; None reverses them."""
    return x.permute(permutation or tuple(reversed(range(x.dim()))))


def squeeze(x: Tensor, *, axes: tuple[int, ...] | None) -> Tensor:
    """Drop `axes`; None drops every axis of size 1."""
    return x.squeeze() if axes is None else x.squeeze(axes)


def unsqueeze(x: Tensor, *, axes: tuple[int, ...]) -> Tensor:
    """Insert axes of size 1, so that they stand at `axes` of the result."""
    rank = x.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def slice_axes(x: Tensor, *, slices: tuple[tuple[int, int, int, int], ...]) -> Tensor:
    """Cut x by (axis, start, end, step); a negative step runs backwards, from the first element at least."""
    for axis, start, end, step in slices:
        size = x.shape[axis]
        if step > 0:
            cut = [slice(None)] * x.dim()
            cut[axis] = slice(*slice(start, end, step).indices(size))
            x = x[tuple(cut)]
        else:
            first, last = (bound + size if bound < 0 else bound for bound in (start, end))
            indices = range(min(max(first, 0), size - 1), min(max(last, -1), size - 1), step)
            x = x.index_select(axis, send(torch.tensor(indices, dtype=torch.int64), x.device))
    return x


def slice_to(
    x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None
) -> Tensor:
    """Cut x by numbers some of which the graph computes."""
    first, last = starts.tolist(), ends.tolist()
    along = range(len(first)) if axes is None else axes.tolist()
    step = [1] * len(first) if steps is None else steps.tolist()
    return slice_axes(x, slices=tuple(zip(along, first, last, step, strict=True)))


def pad_constant(x: Tensor, *, pads: tuple[tuple[int, int], ...], axes: tuple[int, ...] | None, value: float) -> Tensor:
    """Pad (begin, end) per axis with one value; a negative number crops."""
    sides = [(0, 0)] * x.dim()
    for axis, side in zip(axes if axes is not None else range(x.dim()), pads, strict=True):
        sides[axis] = side
    return functional.pad(x, [number for side in reversed(sides) for number in side], value=value)


def pad_from_input(x: Tensor, *, pads: tuple[tuple[int, int], ...], axes: tuple[int, ...] | None, mode: str) -> Tensor:
    """Pad (begin, end) per axis with elements of x, where `mode` is numpy's name; a negative number crops."""
    for axis, (begin, end) in zip(axes if axes is not None else range(x.dim()), pads, strict=True):
        if begin or end:
            cells = np.arange(x.shape[axis])[max(-begin, 0) : x.shape[axis] - max(-end, 0)]
            padded = np.pad(cells, (max(begin, 0), max(end, 0)), mode=mode)  # type: ignore[call-overload]
            x = x.index_select(axis, send(torch.from_numpy(padded), x.device))
    return x


def split(x: Tensor, *, sizes: tuple[int, ...] | None, parts: int, axis: int) -> tuple[Tensor, ...]:
    """Cut x along `axis` into `sizes`, or into `parts` of equal size of which the last may be smaller."""
    if sizes is None:
        size = -(-x.shape[axis] // parts)
        sizes = (*(size,) * (parts - 1), x.shape[axis] - size * (parts - 1))
    return torch.split(x, list(sizes), dim=axis)


def _lower_concat(reader: NodeReader) -> Op:
    return reader.op(concat, *range(len(reader.node.inputs)), axis=reader.integer("axis", 0))


def _lower_reshape(reader: NodeReader) -> Op:
    allow_zero = bool(reader.integer("allowzero", 0))
    if reader.is_constant(1):
        return reader.op(reshape, 0, shape=reader.constant_ints(1, "shape"), allow_zero=allow_zero)
    return reader.op(reshape_to, 0, 1, allow_zero=allow_zero)


def _lower_unsqueeze(reader: NodeReader) -> Op:
    reader.required(1, "axes")
    return reader.op(unsqueeze, 0, axes=reader.constant_ints(1, "axes"))


def _lower_slice(reader: NodeReader) -> Op:
    reader.required(2, "starts and ends")
    if any(reader.value(index) is not None and not reader.is_constant(index) for index in range(1, 5)):
        return reader.op(slice_to, 0, 1, 2, 3, 4)
    starts = reader.constant_ints(1, "starts") or ()
    ends = reader.constant_ints(2, "ends") or ()
    axes = reader.constant_ints(3, "axes") or tuple(range(len(starts)))
    steps = reader.constant_ints(4, "steps") or (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise reader.refuse("has starts, ends, axes and steps of different lengths", "equal lengths")
    return reader.op(slice_axes, 0, slices=tuple(zip(axes, starts, ends, steps, strict=True)))


def _lower_pad(reader: NodeReader) -> Op:
    mode = reader.text("mode", "constant", ("constant", "reflect", "edge", "wrap"))
    reader.required(1, "pads")
    flat = reader.constant_ints(1, "pads") or ()
    half = len(flat) // 2
    pads = tuple(zip(flat[:half], flat[half:], strict=True))
    axes = reader.constant_ints(3, "axes")
    if mode != "constant":
        return reader.op(pad_from_input, 0, pads=pads, axes=axes, mode=mode)
    value = reader.constant_number(2, "padding value") or 0.0
    return reader.op(pad_constant, 0, pads=pads, axes=axes, value=value)


def _lower_split(reader: NodeReader) -> Op:
    return reader.several(
        split,
        0,
        sizes=reader.constant_ints(1, "split sizes"),
        parts=len(reader.node.outputs),
        axis=reader.integer("axis", 0),
    )


OPERATORS: dict[str, Lowering] = {
    "Concat": _lower_concat,
    "Flatten": lambda reader: reader.op(flatten, 0, axis=reader.integer("axis", 1)),
    "Pad": _lower_pad,
    "Reshape": _lower_reshape,
    "Slice": _lower_slice,
    "Split": _lower_split,
    "Squeeze": lambda reader: reader.op(squeeze, 0, axes=reader.constant_ints(1, "axes")),
    "Transpose": lambda reader: reader.op(transpose, 0, permutation=reader.integers("perm", None)),
    "Unsqueeze": _lower_unsqueeze,
}
