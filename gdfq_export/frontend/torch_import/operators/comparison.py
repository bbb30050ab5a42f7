"""Comparison and logic (opset 16 to 19), and Where (opset 16): what has no gradient, and what chooses by it."""

from __future__ import annotations

import torch
from torch import Tensor

from gdfq_export.frontend.torch_import.node_reader import Lowering, NodeReader, Op


def is_infinite(x: Tensor, *, negative: bool, positive: bool) -> Tensor:
    """Return where x is infinite, of the signs that count."""
    return (torch.isposinf(x) & positive) | (torch.isneginf(x) & negative)


def _lower_is_infinite(reader: NodeReader) -> Op:
    negative, positive = (bool(reader.integer(f"detect_{sign}", 1)) for sign in ("negative", "positive"))
    return reader.op(is_infinite, 0, negative=negative, positive=positive)


OPERATORS: dict[str, Lowering] = {
    "And": lambda reader: reader.op(torch.logical_and, 0, 1),
    "Equal": lambda reader: reader.op(torch.eq, 0, 1),
    "Greater": lambda reader: reader.op(torch.gt, 0, 1),
    "GreaterOrEqual": lambda reader: reader.op(torch.ge, 0, 1),
    "IsInf": _lower_is_infinite,
    "IsNaN": lambda reader: reader.op(torch.isnan, 0),
    "Less": lambda reader: reader.op(torch.lt, 0, 1),
    "LessOrEqual": lambda reader: reader.op(torch.le, 0, 1),
    "Not": lambda reader: reader.op(torch.logical_not, 0),
    "Or": lambda reader: reader.op(torch.logical_or, 0, 1),
    "Where": lambda reader: reader.op(torch.where, 0, 1, 2),
    "Xor": lambda reader: reader.op(torch.logical_xor, 0, 1),
}
