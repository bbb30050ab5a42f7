"""Why an integer kernel cannot compute a node of its operator: one predicate for each reason."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from gdfq_export.planning.placement.graph_nodes import required
from gdfq_export.targets import Kernel, Rule


def unsupported_reason(node: ir.Node, rule: Rule) -> str:
    """Why the rule's kernel cannot compute this node; empty if it can."""
    if any(value.dtype is not None and not value.dtype.is_floating_point() for value in node.outputs):
        return "it computes integers: a shape or indices"
    if reason := _unsuited_inputs(node, rule):
        return reason
    if node.op_type in _OPERATORS:
        unsupported, reason = _OPERATORS[node.op_type]
        if unsupported(node):
            return reason
    constants = [value.const_value is not None for value in node.inputs if value is not None]
    if rule.kernel is Kernel.MOVE and constants[0]:
        return "what it moves is a constant"
    if not rule.constants and any(constants):
        return "one of its inputs is a constant"
    return "all inputs are constants" if rule.activations is None and all(constants) else ""


def _unsuited_inputs(node: ir.Node, rule: Rule) -> str:
    """Which of the inputs that a layer wants constant is not, or whether the bias is missing that it needs."""
    for index in (rule.weight, rule.bias):
        value = node.inputs[index] if index is not None and len(node.inputs) > index else None
        if value is not None and value.const_value is None:
            return f"input {index} is computed in the graph"
    if rule.bias_in_front_of and not _has_bias(node) and not rule.bias_in_front_of.isdisjoint(_behind(node)):
        return "it has no bias, and another fully connected layer behind it"
    return ""


def _has_bias(gemm: ir.Node) -> bool:
    """Whether a Gemm adds more than one number to all its outputs."""
    bias = gemm.inputs[2] if len(gemm.inputs) > 2 else None
    return bias is not None and bias.const_value is not None and bool(np.ptp(bias.const_value.numpy()))


def _behind(node: ir.Node) -> set[str]:
    """Operators that read the node's result, directly or behind others that keep its shape."""
    readers = [user for user, _ in node.outputs[0].uses()]
    kept = [user for user in readers if user.outputs[0].shape == node.outputs[0].shape and user.op_type != "Gemm"]
    return {user.op_type for user in readers}.union(*map(_behind, kept))


def _gemm_scales(node: ir.Node) -> bool:
    factors = (node.attributes.get_float("alpha", 1.0), node.attributes.get_float("beta", 1.0))
    return factors != (1.0, 1.0) or node.attributes.get_int("transA", 0) != 0


def _hard_sigmoid_has_no_ramp(node: ir.Node) -> bool:
    return min(node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)) <= 0


def _pads_with_another_value(node: ir.Node) -> bool:
    if node.attributes.get_string("mode", "constant") != "constant":
        return False  # what it adds are elements of its input
    value = node.inputs[2] if len(node.inputs) > 2 else None
    return value is not None and (value.const_value is None or bool(value.const_value.numpy().any()))


def _interpolates(node: ir.Node) -> bool:
    mode, transformation = (node.attributes.get_string(name, "") for name in ("mode", "coordinate_transformation_mode"))
    return mode not in ("", "nearest") or transformation == "tf_crop_and_resize"


def _weight_is_no_matrix(node: ir.Node) -> bool:
    weight = required(node, 1)
    return weight.const_value is not None and len(weight.shape or ()) != 2


def _is_dilated(node: ir.Node) -> bool:
    return any(step != 1 for step in node.attributes.get_ints("dilations", []))


_OPERATORS: dict[str, tuple[Callable[[ir.Node], bool], str]] = {
    "AveragePool": (_is_dilated, "AveragePool has dilations"),
    "Gemm": (_gemm_scales, "Gemm scales or transposes its inputs"),
    "HardSigmoid": (_hard_sigmoid_has_no_ramp, "HardSigmoid falls, or its offset is not above 0"),
    "MatMul": (_weight_is_no_matrix, "the weight of MatMul is not a matrix"),
    "MaxPool": (lambda node: len(node.outputs) > 1, "MaxPool also returns indices"),
    "Pad": (_pads_with_another_value, "Pad does not pad with zeros"),
    "Resize": (_interpolates, "Resize computes numbers between those it reads"),
}
