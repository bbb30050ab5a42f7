"""What is wrong with a Q/DQ file whatever runs it: numbers that are none, pairs that contradict themselves.

Where a file is only odd, for instance dequantized with another scale than it was quantized with, every runtime computes
what is written; the finding says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.lint.finding_at import finding_at
from gdfq_export.lint.hard_sigmoid_forms import clips_as_gate, saturates_as_gate
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import QdqNode, code_limits, node_name, producer_of
from gdfq_export.support.finding import Consequence, Finding
from gdfq_export.support.text import counted

_SMALLEST = float(np.finfo(np.float32).tiny)
_SAME = 1e-6  # relative; scales that tools computed twice differ in the last bits
_INT32_END = 2**31 - 1


def common_findings(model: QdqModel) -> list[Finding]:
    """Every rule that every node breaks, in the order of the rules and of the graph."""
    findings = [finding for rule in _NODE_RULES for node in model.nodes for finding in rule(model, node)]
    for rule in _PAIR_RULES:
        findings.extend(finding for pair in model.pairs for finding in rule(model, pair))
    return findings


def _scale(model: QdqModel, pair: QdqNode) -> Iterator[Finding]:
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
            yield finding_at(pair.node, "scale", Consequence.WRONG, f"{_how_many(broken, 'scale')} {kind}")
    if (negative := scale < 0).any():
        yield finding_at(
            pair.node,
            "negative scale",
            Consequence.MISTAKE,
            f"{_how_many(negative, 'scale')} negative; TensorRT refuses it",
        )


def _matters(model: QdqModel, pair: QdqNode) -> np.ndarray | bool:
    """Where a scale of 0 takes something away: everywhere but in channels of nothing but zeros."""
    codes = model.numbers(pair.codes)
    if codes is None or pair.zero_point is None or pair.scale is None:
        return True
    if (
        pair.scale.size == 1
        or pair.axis is None
        or pair.block
        or codes.shape[pair.axis : pair.axis + 1] != pair.scale.shape
    ):
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


def _shapes(model: QdqModel, pair: QdqNode) -> Iterator[Finding]:
    """As many zero points as scales, and as many scales as the axis is long."""
    if pair.scale is None:
        return
    if pair.scale.ndim > 1 and not pair.block:
        shape = list(pair.scale.shape)
        yield finding_at(
            pair.node,
            "number of scales",
            Consequence.REFUSED,
            f"its scale is of shape {shape}; write a number or a list",
        )
        return
    if not pair.omits_zero_point and pair.zero_point is not None and pair.zero_point.size != pair.scale.size:
        yield finding_at(
            pair.node,
            "number of scales",
            Consequence.REFUSED,
            f"it has {counted(pair.scale.size, 'scale')} and {counted(pair.zero_point.size, 'zero point')}",
        )
    codes = model.numbers(pair.codes)
    if codes is None or pair.axis is None or pair.block:
        return
    if not pair.axis < codes.ndim or codes.shape[pair.axis] != pair.scale.size:
        found = f"axis {pair.axis} of shape {list(codes.shape)}"
        yield finding_at(
            pair.node, "number of scales", Consequence.REFUSED, f"it has {pair.scale.size} scales along {found}"
        )


def _other_numbers(model: QdqModel, pair: QdqNode) -> Iterator[Finding]:
    """What is read is what was written: the same type, scale and zero point on both sides of the codes."""
    if pair.node.op_type != "DequantizeLinear" or (writer := model.writer(pair)) is None:
        return
    if pair.dtype is not writer.dtype and not pair.omits_zero_point and None not in (pair.dtype, writer.dtype):
        yield finding_at(
            pair.node,
            "zero point type",
            Consequence.REFUSED,
            f"its zero point is {pair.dtype_name}, the codes that {node_name(writer.node)} writes are "
            f"{writer.dtype_name}",
        )
        return
    if clips_as_gate(model, pair, writer):
        return
    if (at := _difference(pair.scale, writer.scale, _SAME)) and not saturates_as_gate(model, pair, writer):
        yield finding_at(
            pair.node,
            "other scale",
            Consequence.MISTAKE,
            f"it dequantizes with the scale {at[0]:.9g} what {node_name(writer.node)} quantizes with {at[1]:.9g}",
        )
    if at := _difference(pair.zero_point, writer.zero_point, 0.0):
        yield finding_at(
            pair.node,
            "other zero point",
            Consequence.MISTAKE,
            f"it dequantizes with the zero point {at[0]:.0f} what {node_name(writer.node)} quantizes with {at[1]:.0f}",
        )


def _difference(here: np.ndarray | None, there: np.ndarray | None, tolerance: float) -> tuple[float, float] | None:
    """The first two numbers that differ."""
    if here is None or there is None or (here.size != there.size and 1 not in (here.size, there.size)):
        return None
    ours, theirs = np.broadcast_arrays(
        np.asarray(here, np.float64).reshape(-1), np.asarray(there, np.float64).reshape(-1)
    )
    with np.errstate(invalid="ignore"):
        apart = np.flatnonzero(np.abs(ours - theirs) > tolerance * np.abs(theirs))
    return (float(ours[apart[0]]), float(theirs[apart[0]])) if apart.size else None


def _clip(model: QdqModel, node: ir.Node) -> Iterator[Finding]:
    """A Clip of codes leaves some, and the zero point among them."""
    if node.op_type != "Clip":
        return
    source = producer_of(input_at(node, 0))
    if source is None or source.op_type != "QuantizeLinear":
        return
    pair = model.read(source)
    low, high = model.clip_bounds(node)
    if low > high:
        message = f"its bounds {low:.0f} and {high:.0f} leave no code"
        yield finding_at(node, "clip", Consequence.WRONG, message)
    elif pair.zero_point is not None and pair.zero_point.size:
        zero = np.asarray(pair.zero_point, np.int64)
        if zero.min() < low or zero.max() > high:
            yield finding_at(
                node,
                "clip",
                Consequence.MISTAKE,
                f"its codes {low:.0f} to {high:.0f} leave out the zero point {int(zero.reshape(-1)[0])}, so that no "
                "code means 0",
            )


def _not_numbers(model: QdqModel, node: ir.Node) -> Iterator[Finding]:
    """Stored floats are numbers; a Q/DQ node's own are looked at elsewhere."""
    if node.op_type in ("QuantizeLinear", "DequantizeLinear", "Clip"):
        return
    for value in node.inputs:
        stored = None if value is None or value.producer() is not None else model.numbers(value)
        if stored is None or value is None or stored.dtype.kind != "f" or np.isfinite(stored).all():
            continue
        count = int((~np.isfinite(stored)).sum())
        yield finding_at(
            node,
            "not a number",
            Consequence.WRONG,
            f"{value.name} holds NaN or infinity in {count} of {counted(stored.size, 'number')}",
        )


def _stored_as_float(model: QdqModel, pair: QdqNode) -> Iterator[Finding]:
    """Weights are stored as the integers that they are."""
    value = input_at(pair.node, 0)
    if pair.node.op_type != "QuantizeLinear" or not model.is_constant(value) or pair.dtype is None:
        return
    stored = None if value is None else value.const_value
    if stored is not None and stored.size > 1:
        times = 8 * stored.nbytes / (stored.size * int(pair.dtype.bitwidth))
        yield finding_at(
            pair.node,
            "stored as float",
            Consequence.LARGER,
            f"{stored.name} is stored in float and quantized when the file is loaded: {times:.0f} times the bytes",
        )


def _cut_off(model: QdqModel, pair: QdqNode) -> Iterator[Finding]:
    """No int32 code sits at the end of its type, where a bias was cut off."""
    if pair.node.op_type != "DequantizeLinear" or pair.dtype is not ir.DataType.INT32:
        return
    codes = model.numbers(pair.codes)
    if codes is None or code_limits(pair.dtype) is None:
        return
    ends = int((np.abs(codes.astype(np.int64)) >= _INT32_END).sum())
    if ends:
        yield finding_at(
            pair.node,
            "bias cut off",
            Consequence.MISTAKE,
            f"{ends} of {codes.size} int32 codes are the largest there are: the scales are too small for this bias",
        )


_NODE_RULES: tuple[Callable[[QdqModel, ir.Node], Iterator[Finding]], ...] = (_not_numbers, _clip)
_PAIR_RULES: tuple[Callable[[QdqModel, QdqNode], Iterator[Finding]], ...] = (
    _scale,
    _shapes,
    _other_numbers,
    _cut_off,
    _stored_as_float,
)
