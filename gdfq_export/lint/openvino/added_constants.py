"""Constants added to codes of zero point 0, which OpenVINO 2026.4 takes for a zero point: in whole steps.

Measured with its CPU plugin, where ONNX Runtime computes what the file says:

* behind a QuantizeLinear of the same scale and zero point, what is less than one step is left out
* in front of a convolution of codes, perhaps with a MaxPool or a factor between, it becomes the nearest zero point, if
  there is one for all its numbers
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.lint.rules import Broken
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import QdqNode, code_limits
from gdfq_export.support.finding import Consequence

_SMALLEST = 1e-3  # of a step
_FIX = "leave out the quantization of what it reads, or give that a zero point other than 0"


def added_constant(model: QdqModel, node: ir.Node) -> Iterator[Broken]:
    """A constant is not added to codes of zero point 0 where OpenVINO counts it in steps, unless it is some."""
    found = _in_steps(model, node)
    if found is None:
        return
    pair, steps = found
    largest, y = float(np.abs(steps).max(initial=0)), node.outputs[0]
    if 0.5 <= largest < 1 and _quantized_alike(model, y, pair):
        message = f"OpenVINO leaves it out, since it adds less than one step ({pair.step:.6g}): {_FIX}"
        yield "added constant", Consequence.WRONG, message
        return
    zeros, limits = -np.rint(steps), code_limits(pair.dtype)
    rest = float(np.abs(steps + zeros).max(initial=0))
    fits = limits is not None and bool(((zeros >= limits[0]) & (zeros <= limits[1])).all())
    if rest > _SMALLEST and fits and _convolved(model, y):
        message = f"OpenVINO adds whole steps ({pair.step:.6g}) only, and is wrong by up to {rest:.3g} of one: {_FIX}"
        yield "added constant", Consequence.WRONG, message


def _in_steps(model: QdqModel, node: ir.Node) -> tuple[QdqNode, NDArray[Any]] | None:
    """The codes of zero point 0 that a constant is added to, and the constant in their steps."""
    if node.op_type not in ("Add", "Sub"):
        return None
    for index in (0, 1) if node.op_type == "Add" else (0,):
        pair, numbers = model.dequantized(input_at(node, index)), model.numbers(input_at(node, 1 - index))
        if pair is None or numbers is None or model.is_constant(pair.codes) or not pair.step or pair.zero != 0:
            continue
        return pair, (-numbers if node.op_type == "Sub" else numbers).astype(np.float64) / pair.step
    return None


def _quantized_alike(model: QdqModel, value: ir.Value, pair: QdqNode) -> bool:
    """Whether a QuantizeLinear, perhaps behind a Relu, has the scale and zero point of `pair`."""
    for user, index in value.uses():
        if user.op_type == "Relu" and _quantized_alike(model, user.outputs[0], pair):
            return True
        if user.op_type == "QuantizeLinear" and index == 0:
            written = model.read(user)
            if written.step == pair.step and written.zero == 0:
                return True
    return False


def _convolved(model: QdqModel, value: ir.Value) -> bool:
    """Whether a convolution with weights of codes reads a value, perhaps behind a MaxPool or a constant factor."""
    for user, index in value.uses():
        if user.op_type == "Conv" and index == 0 and model.dequantized(input_at(user, 1)) is not None:
            return True
        passes = user.op_type == "MaxPool" or (user.op_type == "Mul" and any(map(model.is_constant, user.inputs)))
        if passes and _convolved(model, user.outputs[0]):
            return True
    return False
