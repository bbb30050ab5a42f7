"""What is wrong with a Q/DQ file whatever runs it: numbers that are none, pairs that contradict themselves.

Where a file is only odd, for instance dequantized with another scale than it was quantized with, every runtime computes
what is written; the finding says so.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.lint.hard_sigmoid_forms import clips_as_gate, saturates_as_gate
from gdfq_export.lint.rules import Broken, Rule, broken_rules
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import QdqNode, node_name, producer_of
from gdfq_export.support.finding import Consequence, Finding
from gdfq_export.support.text import counted

_SMALLEST = float(np.finfo(np.float32).tiny)
_SAME = 1e-6  # relative; scales that tools computed twice differ in the last bits
_INT32_END = 2**31 - 1


def common_findings(model: QdqModel) -> list[Finding]:
    """Every rule that every node breaks, in the order of the rules and of the graph."""
    return broken_rules(model, _NODE_RULES, model.nodes) + broken_rules(model, _PAIR_RULES, model.pairs)


def _scale(model: QdqModel, pair: QdqNode) -> Iterator[Broken]:
    """Scales are positive numbers; that of a dead channel, whose codes are all 0, may be anything finite."""
    if pair.scale is None:
        return
    scale = pair.scale.reshape(-1)
    constant = model.is_constant(pair.codes)
    kinds = {
        "not a number": ~np.isfinite(scale),
        "0": (scale == 0) & _matters(model, pair),
        "too small for float32": (scale > 0) & (scale < _SMALLEST) & (not constant),
    }
    for kind, broken in kinds.items():
        if broken.any():
            yield "scale", Consequence.WRONG, f"{_how_many(broken, 'scale')} {kind}"
    if (negative := scale < 0).any():
        message = f"{_how_many(negative, 'scale')} negative; TensorRT refuses it"
        yield "negative scale", Consequence.MISTAKE, message


def _matters(model: QdqModel, pair: QdqNode) -> np.ndarray | bool:
    """Where a scale of 0 takes something away: everywhere but in channels of nothing but zeros."""
    codes = model.numbers(pair.codes)
    if codes is None or pair.zero_point is None or pair.scale is None:
        return True
    if pair.axis is None or pair.block or codes.shape[pair.axis : pair.axis + 1] != pair.scale.shape:
        return bool(np.any(codes))
    channels = np.moveaxis(np.asarray(codes), pair.axis, 0).reshape(pair.scale.size, -1)
    return np.asarray(channels.any(axis=1))


def _how_many(broken: np.ndarray, what: str) -> str:
    if broken.size == 1:
        return f"its {what} is"
    count = int(broken.sum())
    first = int(np.flatnonzero(broken)[0])
    which = f"index {first}" if count == 1 else f"first index {first}"
    return f"{count} of {broken.size} {what}s ({which}) {'is' if count == 1 else 'are'}"


def _shapes(model: QdqModel, pair: QdqNode) -> Iterator[Broken]:
    """As many zero points as scales, and as many scales as the axis is long."""
    rule, scale, zeros = ("number of scales", Consequence.REFUSED), pair.scale, pair.zero_point
    if scale is None:
        return
    if scale.ndim > 1 and not pair.block:
        yield *rule, f"its scale is of shape {list(scale.shape)}; write a number or a list"
        return
    if not pair.omits_zero_point and zeros is not None and zeros.size != scale.size:
        yield *rule, f"it has {counted(scale.size, 'scale')} and {counted(zeros.size, 'zero point')}"
    codes = model.numbers(pair.codes)
    if codes is None or pair.axis is None or pair.block:
        return
    if not -codes.ndim <= pair.axis < codes.ndim or codes.shape[pair.axis] != scale.size:
        yield *rule, f"it has {scale.size} scales along axis {pair.axis} of shape {list(codes.shape)}"


def _other_numbers(model: QdqModel, pair: QdqNode) -> Iterator[Broken]:
    """What is read is what was written: the same type, scale and zero point on both sides of the codes."""
    if pair.node.op_type != "DequantizeLinear" or (writer := model.writer(pair)) is None:
        return
    name = node_name(writer.node)
    if pair.dtype is not writer.dtype and not pair.omits_zero_point and None not in (pair.dtype, writer.dtype):
        message = f"its zero point is {pair.dtype_name}, the codes that {name} writes are {writer.dtype_name}"
        yield "zero point type", Consequence.REFUSED, message
        return
    if clips_as_gate(model, pair, writer):
        return
    if (at := _difference(pair.scale, writer.scale, _SAME)) and not saturates_as_gate(model, pair, writer):
        message = f"it dequantizes with the scale {at[0]:.9g} what {name} quantizes with {at[1]:.9g}"
        yield "other scale", Consequence.MISTAKE, message
    if at := _difference(pair.zero_point, writer.zero_point, 0.0):
        message = f"it dequantizes with the zero point {at[0]:.0f} what {name} quantizes with {at[1]:.0f}"
        yield "other zero point", Consequence.MISTAKE, message


def _difference(here: np.ndarray | None, there: np.ndarray | None, tolerance: float) -> tuple[float, float] | None:
    """The first two numbers that differ."""
    if here is None or there is None or (here.size != there.size and 1 not in (here.size, there.size)):
        return None
    ours, theirs = np.broadcast_arrays(here.astype(np.float64).reshape(-1), there.astype(np.float64).reshape(-1))
    with np.errstate(invalid="ignore"):
        apart = np.flatnonzero(np.abs(ours - theirs) > tolerance * np.abs(theirs))
    return (float(ours[apart[0]]), float(theirs[apart[0]])) if apart.size else None


def _clip(model: QdqModel, node: ir.Node) -> Iterator[Broken]:
    """A Clip of codes leaves some, and the zero point among them."""
    source = producer_of(input_at(node, 0))
    if node.op_type != "Clip" or source is None or source.op_type != "QuantizeLinear":
        return
    zeros = model.read(source).zero_range
    low, high = model.clip_bounds(node)
    if low > high:
        yield "clip", Consequence.WRONG, f"its bounds {low:.0f} and {high:.0f} leave no code"
    elif zeros is not None and (zeros[0] < low or zeros[1] > high):
        message = f"its codes {low:.0f} to {high:.0f} leave out the zero point {zeros[0]}, so that no code means 0"
        yield "clip", Consequence.MISTAKE, message


def _not_numbers(model: QdqModel, node: ir.Node) -> Iterator[Broken]:
    """Stored floats are numbers; a Q/DQ node's own are looked at elsewhere."""
    if node.op_type in ("QuantizeLinear", "DequantizeLinear", "Clip"):
        return
    for value in node.inputs:
        stored = None if value is None or value.producer() is not None else model.numbers(value)
        if stored is None or value is None or stored.dtype.kind != "f" or np.isfinite(stored).all():
            continue
        count = int((~np.isfinite(stored)).sum())
        message = f"{value.name} holds NaN or infinity in {count} of {counted(stored.size, 'number')}"
        yield "not a number", Consequence.WRONG, message


def _stored_as_float(model: QdqModel, pair: QdqNode) -> Iterator[Broken]:
    """Weights are stored as the integers that they are."""
    value = input_at(pair.node, 0)
    if pair.node.op_type != "QuantizeLinear" or not model.is_constant(value) or pair.dtype is None:
        return
    stored = None if value is None else value.const_value
    if stored is not None and stored.size > 1:
        times = 8 * stored.nbytes / (stored.size * int(pair.dtype.bitwidth))
        message = f"{stored.name} is stored in float and quantized when the file is loaded: {times:.0f} times the bytes"
        yield "stored as float", Consequence.LARGER, message


def _cut_off(model: QdqModel, pair: QdqNode) -> Iterator[Broken]:
    """No int32 code sits at the end of its type, where a bias was cut off."""
    codes = model.numbers(pair.codes)
    if pair.node.op_type != "DequantizeLinear" or pair.dtype is not ir.DataType.INT32 or codes is None:
        return
    if ends := int((np.abs(codes.astype(np.int64)) >= _INT32_END).sum()):
        message = (
            f"{ends} of {codes.size} int32 codes are the largest there are: the scales are too small for this bias"
        )
        yield "bias cut off", Consequence.MISTAKE, message


_NODE_RULES: tuple[Rule[ir.Node], ...] = (_not_numbers, _clip)
_PAIR_RULES: tuple[Rule[QdqNode], ...] = (_scale, _shapes, _other_numbers, _cut_off, _stored_as_float)
