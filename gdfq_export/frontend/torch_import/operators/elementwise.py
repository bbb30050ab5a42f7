"""Arithmetic on one or two tensors that broadcast (opset 13 and 14), and what leaves a tensor as it is at inference."""

from __future__ import annotations

import onnx_ir as ir
import torch
from torch import Tensor

from gdfq_export.frontend.torch_import.node_reader import Lowering, NodeReader, Op

_CAST_TYPES = {
    ir.DataType.FLOAT16: torch.float16,
    ir.DataType.FLOAT: torch.float32,
    ir.DataType.DOUBLE: torch.float64,
    ir.DataType.INT8: torch.int8,
    ir.DataType.UINT8: torch.uint8,
    ir.DataType.INT32: torch.int32,
    ir.DataType.INT64: torch.int64,
    ir.DataType.BOOL: torch.bool,
}


def divide(a: Tensor, b: Tensor) -> Tensor:
    """Return a / b; integers, as in shape arithmetic, are truncated toward zero."""
    return torch.div(a, b, rounding_mode=None if a.is_floating_point() else "trunc")


def cast(x: Tensor, *, dtype: torch.dtype) -> Tensor:
    """Return x as `dtype`."""
    return x.to(dtype)


def identity(x: Tensor) -> Tensor:
    """Return x."""
    return x


def _lower_cast(reader: NodeReader) -> Op:
    to = ir.DataType(reader.integer("to", 0))
    if to not in _CAST_TYPES:
        raise reader.refuse(f"casts to {to.name}", ", ".join(kind.name for kind in _CAST_TYPES))
    return reader.op(cast, 0, dtype=_CAST_TYPES[to])


def _lower_dropout(reader: NodeReader) -> Op:
    if reader.constant_number(2, "training_mode"):
        raise reader.refuse("has training_mode true", "a model exported for inference (training_mode false)")
    reader.refuse_extra_outputs("the mask")
    return reader.op(identity, 0)


OPERATORS: dict[str, Lowering] = {
    "Add": lambda reader: reader.op(torch.add, 0, 1),
    "Cast": _lower_cast,
    "Div": lambda reader: reader.op(divide, 0, 1),
    "Dropout": _lower_dropout,
    "Erf": lambda reader: reader.op(torch.erf, 0),
    "Exp": lambda reader: reader.op(torch.exp, 0),
    "Identity": lambda reader: reader.op(identity, 0),
    "Mul": lambda reader: reader.op(torch.mul, 0, 1),
    "Sqrt": lambda reader: reader.op(torch.sqrt, 0),
    "Sub": lambda reader: reader.op(torch.sub, 0, 1),
}
