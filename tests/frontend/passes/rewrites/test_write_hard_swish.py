"""Forms of a HardSigmoid in float: what they compute stays, and so do those with other numbers."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from gdfq_export.frontend.passes.rewrites.recognize_hard_swish import HardSigmoidPass
from gdfq_export.frontend.passes.rewrites.write_hard_swish import join_hard_swish, spell_hard_sigmoid
from tests import tiny_graph
from tests.frontend.passes.equivalence import assert_same_outputs, operators

NUMBERS = {"alpha": 1 / 6, "beta": 0.5}
GATE: tiny_graph.Node = ("HardSigmoid", ["x"], ["g"], NUMBERS)
OTHER: tiny_graph.Node = ("HardSigmoid", ["x"], ["g"], {"alpha": 0.2, "beta": 0.5})


def written(nodes: list[tiny_graph.Node], **arrays: np.ndarray) -> ir.Model:
    """Both forms, and what they compute held against the graph."""
    proto = tiny_graph.model(nodes=nodes, inputs={"x": ("batch", 4, 6, 6)}, outputs=["y"], initializers=arrays)
    result = ir.from_proto(proto)
    join_hard_swish(result.graph)
    spell_hard_sigmoid(result.graph)
    result.graph.sort()
    for reach in (1, 2):
        assert_same_outputs(proto, result, seed=reach)
    return result


@pytest.mark.parametrize("factors", [["x", "g"], ["g", "x"]])
def test_the_gate_of_its_own_input_is_a_hard_swish(factors: list[str]) -> None:
    assert operators(written([GATE, ("Mul", factors, ["y"])])) == ["HardSwish"]


def test_another_gate_is_a_clip() -> None:
    nodes: list[tiny_graph.Node] = [GATE, ("Relu", ["x"], ["r"]), ("Mul", ["r", "g"], ["y"])]
    result = written(nodes)
    assert sorted(operators(result)) == ["Add", "Clip", "Div", "Mul", "Relu"]
    assert "g" in {value.name for node in result.graph for value in node.outputs}


def test_a_clip_is_read_as_the_gate_it_was() -> None:
    proto = ir.to_proto(written([GATE, ("Relu", ["g"], ["y"])]))
    result = ir.from_proto(onnx.shape_inference.infer_shapes(proto))
    HardSigmoidPass()(result)
    assert operators(result) == ["HardSigmoid", "Relu"]


@pytest.mark.parametrize("last", [("Mul", ["x", "g"], ["y"]), ("Relu", ["g"], ["y"])], ids=["product", "gate"])
def test_other_numbers_stay(last: tiny_graph.Node) -> None:
    assert "HardSigmoid" in operators(written([OTHER, last]))


def test_names_that_are_taken_are_left_alone() -> None:
    nodes: list[tiny_graph.Node] = [GATE, ("Add", ["g", "three"], ["y"])]
    assert "Clip" in operators(written(nodes, three=np.asarray(5.0, np.float32)))
