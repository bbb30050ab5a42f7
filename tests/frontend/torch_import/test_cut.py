from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper

from gdfq_export.frontend.torch_import import import_graph
from gdfq_export.frontend.torch_import.cut import Gradients, read_by
from gdfq_export.frontend.torch_import.failing_node import failing_node
from tests import tiny_graph


def cut_of(nodes: list[tiny_graph.Node], output: str, **arrays: np.ndarray) -> tuple[str, ...] | None:
    model = tiny_graph.graph(
        nodes=nodes, inputs={"x": ("batch", 3, 4)}, outputs=[output], initializers={"one": np.float32(1), **arrays}
    )
    return Gradients(model.graph).before_cut(model.graph.outputs[0])


def test_an_output_that_torch_computes_is_compared_itself() -> None:
    assert cut_of([("Add", ["x", "one"], ["a"]), ("Relu", ["a"], ["y"])], "y") is None


def test_an_operator_without_torch_function_is_cut_off_with_all_that_is_behind_it() -> None:
    nodes: list[tiny_graph.Node] = [
        ("Add", ["x", "one"], ["a"]),
        ("Hardmax", ["a"], ["h"]),
        ("Relu", ["a"], ["r"]),
        ("Add", ["h", "r"], ["y"]),
    ]
    assert cut_of(nodes, "y") == ("a", "r")


def test_integers_and_steps_have_no_gradient_and_shapes_lead_nowhere() -> None:
    nodes: list[tiny_graph.Node] = [
        ("Add", ["x", "one"], ["a"]),
        ("Cast", ["a"], ["whole"], {"to": int(TensorProto.INT64)}),
        ("Cast", ["whole"], ["y"], {"to": int(TensorProto.FLOAT)}),
    ]
    assert cut_of(nodes, "y") == ("a",)
    nodes = [("Add", ["x", "one"], ["a"]), ("Shape", ["a"], ["s"]), ("Cast", ["s"], ["y"], {"to": TensorProto.FLOAT})]
    assert cut_of(nodes, "y") == ()


def test_an_if_reads_what_its_branches_read() -> None:
    def branch(name: str, op_type: str) -> onnx.GraphProto:
        value = helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node(op_type, ["a"], [f"{name}_y"])], name, [], [value])

    proto = tiny_graph.model(
        nodes=[("Add", ["x", "one"], ["a"]), ("ReduceMax", ["a"], ["m"], {"keepdims": 0}), ("Relu", ["a"], ["y"])],
        inputs={"x": ("batch", 3, 4)},
        outputs=["y"],
        initializers={"one": np.float32(1)},
    )
    proto.graph.node[2].CopyFrom(
        helper.make_node(
            "If", ["c"], ["y"], name="If_y", then_branch=branch("then", "Relu"), else_branch=branch("else", "Neg")
        )
    )
    proto.graph.node.insert(2, helper.make_node("Greater", ["m", "one"], ["c"], name="Greater_c"))
    model = ir.from_proto(onnx.shape_inference.infer_shapes(proto))
    node = model.graph.node("If_y")
    assert [value.name for value in read_by(node)] == ["c", "a"]
    assert "a" in (Gradients(model.graph).before_cut(model.graph.outputs[0]) or ())


def test_a_node_that_torch_computes_otherwise_is_behind_the_cut() -> None:
    model = tiny_graph.graph(
        nodes=[("Add", ["x", "one"], ["a"]), ("GridSample", ["a", "grid"], ["y"], {"mode": "cubic"})],
        inputs={"x": (2, 3, 4, 4, 4)},
        outputs=["y"],
        initializers={"one": np.float32(1), "grid": np.zeros((2, 4, 4, 4, 3), np.float32)},
    )
    name = failing_node(import_graph(model), model.graph, (3, 4, 4, 4))
    assert name == "GridSample_y"
    assert Gradients(model.graph, [name]).cuts() == {"y": ("a",)}
