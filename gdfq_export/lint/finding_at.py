"""A finding about one node."""

from __future__ import annotations

import onnx_ir as ir

from gdfq_export.qdq.reader.nodes import node_name
from gdfq_export.support.finding import Consequence, Finding


def finding_at(node: ir.Node, rule: str, consequence: Consequence, message: str) -> Finding:
    """A finding whose message begins with the node."""
    name = node_name(node)
    return Finding(rule=rule, node=name, consequence=consequence, message=f"{node.op_type} {name}: {message}")
