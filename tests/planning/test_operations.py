"""Multiply-accumulates are counted from the shapes of the graph."""

from __future__ import annotations

from gdfq_export.planning.operations import multiply_accumulates
from tests.tuning.residual_network import simulator


def test_each_weight_counts_once_for_each_place_of_the_output() -> None:
    layers = [node for node in simulator().folded.graph if node.op_type in ("Conv", "Gemm")]
    assert [multiply_accumulates(node) for node in layers] == [8 * 3 * 9 * 81, 8 * 8 * 9 * 81, 5 * 8]
