"""Reduce* (opset 18), ArgMax and ArgMin (opset 13), CumSum (opset 14), TopK of a constant number (opset 11)."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from gdfq_export.frontend.torch_import.node_reader import Lowering, NodeReader, Op

Reduction = Callable[..., Tensor]


def _over(x: Tensor, axes: tuple[int, ...]) -> tuple[int, ...]:
    return axes or tuple(range(x.dim()))


def reduce_sum(x: Tensor, *, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    """Return the sum over `axes`, over all if there are none; of the type of x."""
    return x.sum(dim=_over(x, axes), keepdim=keepdims, dtype=x.dtype)


def reduce_mean(x: Tensor, *, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    """Return the mean over `axes`, over all if there are none."""
    return x.mean(dim=_over(x, axes), keepdim=keepdims)


def reduce_max(x: Tensor, *, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    """Return the largest element over `axes`, over all if there are none."""
    return x.amax(dim=_over(x, axes), keepdim=keepdims)


def reduce_min(x: Tensor, *, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    """Return the smallest element over `axes`, over all if there are none."""
    return x.amin(dim=_over(x, axes), keepdim=keepdims)


def reduce_prod(x: Tensor, *, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    """Return the product over `axes`, over all if there are none."""
    over = sorted(axis % max(x.dim(), 1) for axis in _over(x, axes))
    return functools.reduce(lambda y, axis: y.prod(axis, keepdim=keepdims, dtype=x.dtype), reversed(over), x)


def reduce_l1(x: Tensor, *, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    """Return the sum of absolute values over `axes`."""
    return reduce_sum(x.abs(), axes=axes, keepdims=keepdims)


def reduce_l2(x: Tensor, *, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    """Return the root of the sum of squares over `axes`; its gradient at 0 is 0."""
    if not x.is_floating_point():
        return reduce_sum(x * x, axes=axes, keepdims=keepdims).double().sqrt().to(x.dtype)
    norm: Tensor = torch.linalg.vector_norm(x, dim=_over(x, axes), keepdim=keepdims)
    return norm


def reduce_log_sum(x: Tensor, *, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    """Return the logarithm of the sum over `axes`."""
    return reduce_sum(x, axes=axes, keepdims=keepdims).log()


def reduce_log_sum_exp(x: Tensor, *, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    """Return the logarithm of the sum of exponentials over `axes`."""
    return x.logsumexp(dim=_over(x, axes), keepdim=keepdims)


def reduce_sum_square(x: Tensor, *, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    """Return the sum of squares over `axes`."""
    return reduce_sum(x * x, axes=axes, keepdims=keepdims)


def arg_best(x: Tensor, *, axis: int, keepdims: bool, last: bool, largest: bool) -> Tensor:
    """Return the index of the largest or smallest element along `axis`, int64; of equal ones the first or `last`."""
    find = torch.argmax if largest else torch.argmin
    if not last:
        return find(x, dim=axis, keepdim=keepdims)
    return x.shape[axis] - 1 - find(x.flip(axis), dim=axis, keepdim=keepdims)


def cumulative_sum(x: Tensor, *, axis: int, exclusive: bool, reverse: bool) -> Tensor:
    """Return the sums of all elements up to each one along `axis`, without itself if `exclusive`."""
    x = x.flip(axis) if reverse else x
    sums = x.cumsum(axis, dtype=x.dtype)
    sums = sums - x if exclusive else sums
    return sums.flip(axis) if reverse else sums


def top(x: Tensor, *, count: int, axis: int, largest: bool) -> tuple[Tensor, Tensor]:
    """Return the `count` largest or smallest elements along `axis` in order, and their indices."""
    values, indices = x.sort(dim=axis, descending=largest, stable=True)
    return values.narrow(axis, 0, count), indices.narrow(axis, 0, count)


def _lower_reduction(function: Reduction) -> Lowering:
    def lower(reader: NodeReader) -> Op:
        axes = reader.constant_ints(1, "axes") or reader.integers("axes", ()) or ()
        if not axes and reader.integer("noop_with_empty_axes", 0):
            return reader.op(torch.clone, 0)
        return reader.op(function, 0, axes=axes, keepdims=bool(reader.integer("keepdims", 1)))

    return lower


def _lower_arg(reader: NodeReader, *, largest: bool) -> Op:
    return reader.op(
        arg_best,
        0,
        axis=reader.integer("axis", 0),
        keepdims=bool(reader.integer("keepdims", 1)),
        last=bool(reader.integer("select_last_index", 0)),
        largest=largest,
    )


def _lower_cumulative_sum(reader: NodeReader) -> Op:
    reader.required(1, "an axis")
    (axis,) = reader.constant_ints(1, "axis") or (0,)
    exclusive, reverse = (bool(reader.integer(name, 0)) for name in ("exclusive", "reverse"))
    return reader.op(cumulative_sum, 0, axis=axis, exclusive=exclusive, reverse=reverse)


def _lower_top(reader: NodeReader) -> Op:
    reader.required(1, "a number of elements")
    (count,) = reader.constant_ints(1, "number of elements") or (1,)
    largest = bool(reader.integer("largest", 1))
    return reader.several(top, 0, count=count, axis=reader.integer("axis", -1), largest=largest)


OPERATORS: dict[str, Lowering] = {
    "ArgMax": lambda reader: _lower_arg(reader, largest=True),
    "ArgMin": lambda reader: _lower_arg(reader, largest=False),
    "CumSum": _lower_cumulative_sum,
    "ReduceL1": _lower_reduction(reduce_l1),
    "ReduceL2": _lower_reduction(reduce_l2),
    "ReduceLogSum": _lower_reduction(reduce_log_sum),
    "ReduceLogSumExp": _lower_reduction(reduce_log_sum_exp),
    "ReduceMax": _lower_reduction(reduce_max),
    "ReduceMean": _lower_reduction(reduce_mean),
    "ReduceMin": _lower_reduction(reduce_min),
    "ReduceProd": _lower_reduction(reduce_prod),
    "ReduceSum": _lower_reduction(reduce_sum),
    "ReduceSumSquare": _lower_reduction(reduce_sum_square),
    "TopK": _lower_top,
}
