"""Arithmetic on tensors that broadcast (opset 13 and 14), functions of one element, and Cast and Identity."""

from __future__ import annotations

import functools
from collections.abc import Callable

import onnx_ir as ir
import torch
from torch import Tensor

from gdfq_export.frontend.torch_import.node_reader import Lowering, NodeReader, Op

CAST_TYPES = {
    ir.DataType.FLOAT16: torch.float16,
    ir.DataType.BFLOAT16: torch.bfloat16,
    ir.DataType.FLOAT: torch.float32,
    ir.DataType.DOUBLE: torch.float64,
    ir.DataType.INT8: torch.int8,
    ir.DataType.UINT8: torch.uint8,
    ir.DataType.INT16: torch.int16,
    ir.DataType.INT32: torch.int32,
    ir.DataType.INT64: torch.int64,
    ir.DataType.BOOL: torch.bool,
}

_UNARY = {
    "Abs": torch.abs,
    "Acos": torch.acos,
    "Acosh": torch.acosh,
    "Asin": torch.asin,
    "Asinh": torch.asinh,
    "Atan": torch.atan,
    "Atanh": torch.atanh,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Cosh": torch.cosh,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "Log": torch.log,
    "Neg": torch.neg,
    "Reciprocal": torch.reciprocal,
    "Round": torch.round,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Sinh": torch.sinh,
    "Sqrt": torch.sqrt,
    "Tan": torch.tan,
}


def divide(a: Tensor, b: Tensor) -> Tensor:
    """Return a / b; integers, as in shape arithmetic, are truncated toward zero."""
    return torch.div(a, b, rounding_mode=None if a.is_floating_point() else "trunc")


def power(base: Tensor, exponent: Tensor) -> Tensor:
    """Return base ** exponent in the type of the base."""
    return torch.pow(base, exponent).to(base.dtype)


def modulo(a: Tensor, b: Tensor, *, as_in_c: bool) -> Tensor:
    """Return the remainder of a / b with the sign of b, or of a if `as_in_c`."""
    return torch.fmod(a, b) if as_in_c else torch.remainder(a, b)


def largest(*tensors: Tensor) -> Tensor:
    """Return the largest of tensors, element by element."""
    return functools.reduce(torch.maximum, tensors)


def smallest(*tensors: Tensor) -> Tensor:
    """Return the smallest of tensors, element by element."""
    return functools.reduce(torch.minimum, tensors)


def total(*tensors: Tensor) -> Tensor:
    """Return the sum of tensors, element by element."""
    return functools.reduce(torch.add, tensors)


def mean(*tensors: Tensor) -> Tensor:
    """Return the mean of tensors, element by element."""
    return total(*tensors) / len(tensors)


def cast(x: Tensor, *, dtype: torch.dtype) -> Tensor:
    """Return x as `dtype`."""
    return x.to(dtype)


def identity(x: Tensor) -> Tensor:
    """Return x."""
    return x


def _lower_unary(function: Callable[[Tensor], Tensor]) -> Lowering:
    return lambda reader: reader.op(function, 0)


def _lower_variadic(function: Callable[..., Tensor]) -> Lowering:
    return lambda reader: reader.op(function, *range(len(reader.node.inputs)))


def _lower_cast(reader: NodeReader) -> Op:
    to = ir.DataType(reader.integer("to", 0))
    if to not in CAST_TYPES:
        raise reader.refuse(f"casts to {to.name}", ", ".join(kind.name for kind in CAST_TYPES))
    return reader.op(cast, 0, dtype=CAST_TYPES[to])


def _lower_dropout(reader: NodeReader) -> Op:
    if reader.constant_number(2, "training_mode"):
        raise reader.refuse("has training_mode true", "a model exported for inference (training_mode false)")
    reader.refuse_extra_outputs("the mask")
    return reader.op(identity, 0)


OPERATORS: dict[str, Lowering] = {
    **{name: _lower_unary(function) for name, function in _UNARY.items()},
    "Add": lambda reader: reader.op(torch.add, 0, 1),
    "Cast": _lower_cast,
    "Div": lambda reader: reader.op(divide, 0, 1),
    "Dropout": _lower_dropout,
    "Identity": lambda reader: reader.op(identity, 0),
    "Max": _lower_variadic(largest),
    "Mean": _lower_variadic(mean),
    "Min": _lower_variadic(smallest),
    "Mod": lambda reader: reader.op(modulo, 0, 1, as_in_c=bool(reader.integer("fmod", 0))),
    "Mul": lambda reader: reader.op(torch.mul, 0, 1),
    "Pow": lambda reader: reader.op(power, 0, 1),
    "Sub": lambda reader: reader.op(torch.sub, 0, 1),
    "Sum": _lower_variadic(total),
}
