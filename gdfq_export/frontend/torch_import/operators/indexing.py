"""Operators that choose elements by index or make tensors of indices and sizes: Gather, Scatter, OneHot, Range, ..."""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx_ir as ir
import torch
from torch import Tensor

from calib.device.transfer import send
from gdfq_export.frontend.torch_import.node_reader import Lowering, NodeReader, Op
from gdfq_export.frontend.torch_import.operators.elementwise import CAST_TYPES


def gather(x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    """Return the slices of x at `indices` along `axis`, whose place the axes of `indices` take; -1 is the last."""
    axis %= x.dim()
    flat = indices.reshape(-1).to(torch.int64) % x.shape[axis]
    return x.index_select(axis, flat).reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def gather_constant(x: Tensor, *, indices: tuple[int, ...], shape: tuple[int, ...], axis: int) -> Tensor:
    """Gather at constant indices of `shape`."""
    return gather(x, send(torch.tensor(indices, dtype=torch.int64), x.device).reshape(shape), axis=axis)


def gather_elements(x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    """Return the elements of x at `indices` along `axis` and at their own places elsewhere; -1 is the last."""
    return torch.gather(x, axis, indices.to(torch.int64) % x.shape[axis])


def gather_nd(x: Tensor, indices: Tensor, *, batch_axes: int) -> Tensor:
    """Return the slices of x at the index tuples in the last axis of `indices`; the first axes are those of both."""
    depth = indices.shape[-1]
    lead = x.shape[:batch_axes]
    batch = math.prod(lead)
    rows = x.reshape(batch, *x.shape[batch_axes:])
    tuples = indices.reshape(batch, -1, depth).to(torch.int64)
    first = torch.arange(batch, device=x.device).reshape(-1, 1).expand(batch, tuples.shape[1])
    found = rows[(first, *(tuples[..., axis] % rows.shape[1 + axis] for axis in range(depth)))]
    return found.reshape(*indices.shape[:-1], *x.shape[batch_axes + depth :])


def scatter_nd(x: Tensor, indices: Tensor, updates: Tensor, *, add: bool) -> Tensor:
    """Return x with `updates` at, or added at, the index tuples in the last axis of `indices`."""
    places = indices.to(torch.int64)
    chosen = tuple(places[..., axis] % x.shape[axis] for axis in range(indices.shape[-1]))
    return x.index_put(chosen, updates, accumulate=add)


def scatter_elements(x: Tensor, indices: Tensor, updates: Tensor, *, axis: int, add: bool) -> Tensor:
    """Return x with `updates` at, or added at, `indices` along `axis`."""
    places = indices.to(torch.int64) % x.shape[axis]
    return x.scatter_add(axis, places, updates) if add else x.scatter(axis, places, updates)


def one_hot(indices: Tensor, values: Tensor, *, depth: int, axis: int) -> Tensor:
    """Return values[1] at each index along a new `axis` of `depth` elements, values[0] elsewhere."""
    places = torch.arange(depth, device=indices.device)
    axis %= indices.dim() + 1
    shape = [-1 if each == axis else 1 for each in range(indices.dim() + 1)]
    wanted = torch.where(indices < 0, indices + depth, indices)
    return values[(wanted.unsqueeze(axis) == places.reshape(shape)).to(torch.int64)]


def triangle(x: Tensor, *, upper: bool, diagonal: int) -> Tensor:
    """Return x with zeros below (`upper`) or above a diagonal of its last two axes."""
    return x.triu(diagonal) if upper else x.tril(diagonal)


def shape_of(x: Tensor, *, start: int, end: int | None) -> Tensor:
    """Return the shape of x from axis `start` to before `end`, int64."""
    return send(torch.tensor(x.shape[start:end], dtype=torch.int64), x.device)


def size_of(x: Tensor) -> Tensor:
    """Return the number of elements of x, int64."""
    return send(torch.tensor(x.numel(), dtype=torch.int64), x.device)


def count(start: Tensor, end: Tensor, step: Tensor) -> Tensor:
    """Return start, start + step, ... before `end`."""
    return torch.arange(start.item(), end.item(), step.item(), dtype=start.dtype, device=start.device)


def constant_of_shape(shape: Tensor, *, value: float, dtype: torch.dtype) -> Tensor:
    """Return a tensor of `value`."""
    return torch.full(tuple(shape.tolist()), value, dtype=dtype, device=shape.device)


def eye_like(x: Tensor, *, diagonal: int, dtype: torch.dtype | None) -> Tensor:
    """Return ones on a diagonal of a matrix of the shape of x, zeros elsewhere."""
    rows, columns = x.shape
    ones = torch.ones((rows, columns), dtype=dtype or x.dtype, device=x.device)
    return ones.triu(diagonal).tril(diagonal)


def _lower_gather(reader: NodeReader) -> Op:
    axis = reader.integer("axis", 0)
    if not reader.is_constant(1):
        return reader.op(gather, 0, 1, axis=axis)
    indices = reader.constant(1, "indices")
    assert indices is not None
    places: Sequence[int] = indices.reshape(-1).tolist()
    return reader.op(gather_constant, 0, indices=tuple(places), shape=tuple(indices.shape), axis=axis)


def _adds(reader: NodeReader) -> bool:
    return reader.text("reduction", "none", ("none", "add")) == "add"


def _lower_one_hot(reader: NodeReader) -> Op:
    (depth,) = reader.constant_ints(1, "depth") or (1,)
    return reader.op(one_hot, 0, 2, depth=depth, axis=reader.integer("axis", -1))


def _lower_triangle(reader: NodeReader) -> Op:
    diagonal = reader.constant_ints(1, "diagonal") or (0,)
    return reader.op(triangle, 0, upper=bool(reader.integer("upper", 1)), diagonal=diagonal[0])


def _lower_shape(reader: NodeReader) -> Op:
    end = reader.integer("end", 0) if "end" in reader.node.attributes else None
    return reader.op(shape_of, 0, start=reader.integer("start", 0), end=end)


def _lower_constant_of_shape(reader: NodeReader) -> Op:
    attribute = reader.node.attributes.get("value")
    value = ir.tensor([0.0]) if attribute is None else attribute.as_tensor()
    return reader.op(
        constant_of_shape, 0, value=value.numpy().reshape(-1)[0].item(), dtype=_torch_type(reader, value.dtype)
    )


def _lower_eye_like(reader: NodeReader) -> Op:
    attribute = reader.node.attributes.get("dtype")
    dtype = None if attribute is None else _torch_type(reader, ir.DataType(attribute.as_int()))
    return reader.op(eye_like, 0, diagonal=reader.integer("k", 0), dtype=dtype)


def _torch_type(reader: NodeReader, dtype: ir.DataType) -> torch.dtype:
    if dtype not in CAST_TYPES:
        raise reader.refuse(f"makes {dtype.name}", ", ".join(kind.name for kind in CAST_TYPES))
    return CAST_TYPES[dtype]


OPERATORS: dict[str, Lowering] = {
    "ConstantOfShape": _lower_constant_of_shape,
    "EyeLike": _lower_eye_like,
    "Gather": _lower_gather,
    "GatherElements": lambda reader: reader.op(gather_elements, 0, 1, axis=reader.integer("axis", 0)),
    "GatherND": lambda reader: reader.op(gather_nd, 0, 1, batch_axes=reader.integer("batch_dims", 0)),
    "OneHot": _lower_one_hot,
    "Range": lambda reader: reader.op(count, 0, 1, 2),
    "ScatterElements": lambda reader: reader.op(
        scatter_elements, 0, 1, 2, axis=reader.integer("axis", 0), add=_adds(reader)
    ),
    "ScatterND": lambda reader: reader.op(scatter_nd, 0, 1, 2, add=_adds(reader)),
    "Shape": _lower_shape,
    "Size": lambda reader: reader.op(size_of, 0),
    "Trilu": _lower_triangle,
}
