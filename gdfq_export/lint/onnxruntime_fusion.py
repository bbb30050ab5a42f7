"""What becomes of a layer's result in ONNX Runtime: which QuantizeLinear takes it, and what stands in between.

Its pass QDQPropagation carries a QuantizeLinear up, and a DequantizeLinear down, through operators that only move
numbers (measured with ONNX Runtime 1.32).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import QdqNode, code_limits, node_name
from gdfq_export.targets.ort_cpu import PAIRS_PASS

_ACTIVATIONS = ("Relu", "Clip")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedResult:
    """The QuantizeLinear that takes a result; where there is not one alone, `readers` says what reads it as float.

    `kept` is a Relu or Clip in between that codes do not replace.
    """

    writer: QdqNode | None
    readers: str = ""
    kept: ir.Node | None = None


def result_of(model: QdqModel, node: ir.Node) -> QuantizedResult:
    """Follow the first output of a node to what quantizes it."""
    value = node.outputs[0]
    passed: list[ir.Node] = []
    while True:
        users = list(dict.fromkeys(user for user, _ in value.uses()))
        if value.is_graph_output():
            return QuantizedResult(writer=None, readers=f"the graph output {value.name}")
        if (writer := _one_writer(model, users)) is not None:
            kept = (each for each in passed if not ends_do_its_work(model, each, writer))
            return QuantizedResult(writer=writer, kept=next(kept, None))
        if len(users) == 1 and users[0].op_type in PAIRS_PASS | set(_ACTIVATIONS):
            if users[0].op_type in _ACTIVATIONS:
                passed.append(users[0])
            value = users[0].outputs[0]
            continue
        names = [f"{user.op_type} {node_name(user)}" for user in users if user.op_type != "QuantizeLinear"]
        return QuantizedResult(writer=None, readers=" and ".join(names) or "more than one scale")


def _one_writer(model: QdqModel, users: list[ir.Node]) -> QdqNode | None:
    """The QuantizeLinear that reads a value, where nothing else does but others that say the same."""
    if not users or any(user.op_type != "QuantizeLinear" for user in users):
        return None
    writers = [model.read(user) for user in users]
    return writers[0] if all(_same(writers[0], each) for each in writers) else None


def ends_do_its_work(model: QdqModel, activation: ir.Node, pair: QdqNode) -> bool:
    """Whether the codes end where a Relu or Clip would cut, so that the runtime drops it."""
    limits = code_limits(pair.dtype)
    if limits is None or pair.scale is None or pair.zero_point is None:
        return False
    if pair.step is None or pair.zero is None or not 0 < pair.step < np.inf:
        return True  # that there are several, or the scale itself, is at fault
    low, high = model.clip_bounds(activation)
    return bool(
        np.rint(low / pair.step) + pair.zero <= limits[0] and np.rint(high / pair.step) + pair.zero >= limits[1]
    )


def _same(one: QdqNode, other: QdqNode) -> bool:
    pairs = ((one.scale, other.scale), (one.zero_point, other.zero_point))
    return one.dtype is other.dtype and all(
        here is not None and there is not None and np.array_equal(here, there, equal_nan=True) for here, there in pairs
    )
