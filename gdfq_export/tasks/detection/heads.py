"""Heads: the last values of a detector that layers compute; what lies behind them is its tail.

The tail (Concat of boxes and scores of unlike ranges, Sigmoid, Exp, Softmax, non-maximum suppression) has no weights.
It stays float, since codes of one scale for boxes in pixels and scores below 1 have no room for the scores.
"""

from __future__ import annotations

import onnx_ir as ir

_LAYERS = ("BatchNormalization", "Conv", "ConvTranspose", "Gemm", "MatMul")


def head_values(graph: ir.Graph) -> tuple[str, ...]:
    """Names of the values that layers, or a BatchNormalization behind one, write for the tail, in graph order."""
    found: dict[str, None] = {}
    seen: set[ir.Value] = set()
    waiting = [*graph.outputs]
    while waiting:
        value = waiting.pop()
        node = value.producer()
        if value in seen or node is None:
            continue
        seen.add(value)
        if _is_layer(node):
            found[str(value.name)] = None
        else:
            waiting.extend(each for each in node.inputs if each is not None)
    return tuple(str(value.name) for node in graph for value in node.outputs if value.name in found)


def _is_layer(node: ir.Node) -> bool:
    weight = node.inputs[1] if node.op_type in _LAYERS and len(node.inputs) > 1 else None
    return weight is not None and weight.const_value is not None
