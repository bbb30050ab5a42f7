"""What lies behind the values that are compared stays float and is named, and what they depend on does not."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from gdfq_export.planning.placement import build_plan
from gdfq_export.planning.placement.float_reasons import TAIL
from gdfq_export.recipe import Bits
from gdfq_export.targets import find_target
from tests import tiny_graph

NODES: list[tiny_graph.Node] = [
    ("Conv", ["x", "w"], ["c"]),
    ("Conv", ["c", "w"], ["boxes"]),
    ("Conv", ["c", "w"], ["scores"]),
    ("Sigmoid", ["scores"], ["s"]),
    ("Concat", ["boxes", "s"], ["joined"], {"axis": 1}),
    ("Mul", ["joined", "two"], ["out"]),
]


def graph() -> ir.Model:
    arrays = {"w": np.ones((3, 3, 1, 1), np.float32), "two": np.float32([2])}
    proto = tiny_graph.model(nodes=NODES, inputs={"x": ("n", 3, 4, 4)}, outputs=["out"], initializers=arrays)
    return ir.from_proto(proto)


def test_the_tail_of_a_detector_is_float_and_its_layers_are_not() -> None:
    heads = ("boxes", "scores")
    plan = build_plan(graph(), find_target("ort-cpu"), Bits(), compared=heads, input_range=(-1, 1))
    float_nodes = {node.node: node.reason for node in plan.nodes if node.kernel is None}
    assert float_nodes == dict.fromkeys(("Sigmoid_s", "Concat_joined", "Mul_out"), TAIL)
    assert {"boxes", "scores", "c", "x"} <= set(plan.by_tensor)


def test_without_a_tail_nothing_is_kept_float() -> None:
    plan = build_plan(graph(), find_target("ort-cpu"), Bits(), compared=["out"], input_range=(-1, 1))
    assert all(node.kernel is not None for node in plan.nodes)


def test_shapes_that_the_graph_computes_have_no_scale() -> None:
    nodes: list[tiny_graph.Node] = [
        ("Conv", ["x", "w"], ["c"]),
        ("Shape", ["c"], ["shape"]),
        ("Slice", ["shape", "zero", "one"], ["batch"]),
        ("Concat", ["batch", "rest"], ["target"], {"axis": 0}),
        ("Reshape", ["c", "target"], ["out"]),
    ]
    arrays = {
        "w": np.ones((3, 3, 1, 1), np.float32),
        "zero": np.int64([0]),
        "one": np.int64([1]),
        "rest": np.int64([-1]),
    }
    proto = tiny_graph.model(nodes=nodes, inputs={"x": ("n", 3, 4, 4)}, outputs=["out"], initializers=arrays)
    model = ir.from_proto(proto)
    plan = build_plan(model, find_target("ort-cpu"), Bits(), compared=["out"], input_range=(-1, 1))
    assert plan.by_node["Concat_target"].kernel is None and "rest" not in plan.by_tensor
