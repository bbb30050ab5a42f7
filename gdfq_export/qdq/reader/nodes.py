"""Reading QuantizeLinear and DequantizeLinear nodes (ONNX operator set 10 and later) of any tool's file."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.support.finding import Consequence, Finding

__all__ = [
    "codes_dtype",
    "dequantized",
    "finding_at",
    "is_constant",
    "is_qdq",
    "node_name",
    "producer_of",
    "stored_array",
]


def finding_at(node: ir.Node, rule: str, consequence: Consequence, message: str) -> Finding:
    """A finding whose message begins with the node."""
    return Finding(
        rule=rule, node=node_name(node), consequence=consequence, message=f"{node.op_type} {node_name(node)}: {message}"
    )


def node_name(node: ir.Node) -> str:
    """Its name or, where it has none, its first output."""
    return node.name or node.outputs[0].name or ""


def is_qdq(node: ir.Node) -> bool:
    """Whether a node is QuantizeLinear or DequantizeLinear."""
    return node.op_type in ("QuantizeLinear", "DequantizeLinear")


def producer_of(value: ir.Value | None) -> ir.Node | None:
    """The node that computes a value; None for inputs, initializers and what is left out."""
    return None if value is None else value.producer()


def stored_array(value: ir.Value | None) -> np.ndarray | None:
    """The numbers of an initializer or a Constant."""
    if value is None:
        return None
    if value.const_value is not None:
        return value.const_value.numpy()
    node = value.producer()
    attribute = node.attributes.get("value") if node is not None and node.op_type == "Constant" else None
    return None if attribute is None else attribute.as_tensor().numpy()


def is_constant(value: ir.Value | None) -> bool:
    """Whether a value is known when the file is read: an initializer, or what is made of initializers alone."""
    if value is None:
        return False
    waiting, seen = [value], {value}
    while waiting:
        each = waiting.pop()
        node = each.producer()
        if node is None and each.const_value is None:
            return False
        read = () if node is None else node.inputs
        new = [source for source in read if source is not None and source not in seen]
        seen.update(new)
        waiting.extend(new)
    return True


def codes_dtype(node: ir.Node) -> ir.DataType | None:
    """Type of the codes that a QuantizeLinear writes or a DequantizeLinear reads, None where nothing says it."""
    zero_point = input_at(node, 2)
    if zero_point is not None and zero_point.dtype is not None:
        return zero_point.dtype
    if node.op_type == "QuantizeLinear":
        return ir.DataType(node.attributes.get_int("output_dtype", 0) or ir.DataType.UINT8)
    codes = input_at(node, 0)
    writer = producer_of(codes)
    if writer is not None and writer.op_type == "QuantizeLinear":
        return codes_dtype(writer)
    return None if codes is None else codes.dtype


def dequantized(value: ir.Value | None, through: frozenset[str]) -> ir.Node | None:
    """The DequantizeLinear that a value comes from, behind operators that the runtime takes it `through`."""
    node = producer_of(value)
    while node is not None and node.op_type in through:
        node = producer_of(input_at(node, 0))
    return node if node is not None and node.op_type == "DequantizeLinear" else None
