"""Why an integer kernel cannot compute a node of its operator."""

from __future__ import annotations

import onnx_ir as ir

from gdfq_export.planning.placement.graph_nodes import required
from gdfq_export.targets import Rule

__all__ = ["unsupported_reason"]


def unsupported_reason(node: ir.Node, rule: Rule) -> str:
    """Why the rule's kernel cannot compute this node, or nothing."""
    for index in (rule.weight, rule.bias):
        value = node.inputs[index] if index is not None and len(node.inputs) > index else None
        if value is not None and value.const_value is None:
            return f"input {index} is computed in the graph"
    factors = (node.attributes.get_float("alpha", 1.0), node.attributes.get_float("beta", 1.0))
    if node.op_type == "Gemm" and (factors != (1.0, 1.0) or node.attributes.get_int("transA", 0) != 0):
        return "Gemm scales or transposes its inputs"
    if node.op_type == "MatMul" and len(required(node, 1).shape or ()) != 2:
        return "the weight of MatMul is not a matrix"
    if node.op_type == "Pad" and not _pads_with_zero(node):
        return "Pad does not pad with zeros"
    if node.op_type == "HardSigmoid" and min(factors[0], node.attributes.get_float("beta", 0.5)) <= 0:
        return "HardSigmoid falls, or its offset is not above 0"
    if node.op_type == "MaxPool" and len(node.outputs) > 1:
        return "MaxPool also returns indices"
    if not rule.constants and any(value is not None and value.const_value is not None for value in node.inputs):
        return "one of its inputs is a constant"
    if rule.activations is None and all(value is None or value.const_value is not None for value in node.inputs):
        return "all inputs are constants"
    return ""


def _pads_with_zero(node: ir.Node) -> bool:
    mode = node.attributes.get("mode")
    if mode is not None and mode.as_string() != "constant":
        return False
    value = node.inputs[2] if len(node.inputs) > 2 else None
    return value is None or (value.const_value is not None and not value.const_value.numpy().any())
