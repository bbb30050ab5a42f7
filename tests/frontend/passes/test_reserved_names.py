from __future__ import annotations

import numpy as np
import pytest

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.canonical import canonicalize
from tests import tiny_graph
from tests.frontend.passes.equivalence import assert_same_outputs


def _names(nodes: list[tiny_graph.Node], output: str = "y") -> set[str]:
    weight = {"int8_0_4": np.random.default_rng(0).normal(size=(4, 3, 1, 1)).astype(np.float32)}
    proto = tiny_graph.model(nodes=nodes, inputs={"x": ("n", 3, 8, 8)}, outputs=[output], initializers=weight, opset=17)
    model = canonicalize(proto, "net.onnx")
    assert_same_outputs(proto, model)
    return {str(value.name) for node in model.graph for value in (*node.inputs, *node.outputs) if value is not None}


def test_inner_names_that_the_file_needs_are_given_up() -> None:
    found = _names(
        [
            ("Conv", ["x", "int8_0_4"], ["c"]),
            ("Relu", ["c"], ["c_q"]),
            ("Exp", ["c_q"], ["a_scale"]),
            ("Neg", ["a_scale"], ["y"]),
        ]
    )
    assert found == {"x", "c_constant", "c", "value_c_q", "a_scale", "y"}


def test_the_name_of_an_output_stays() -> None:
    found = _names([("Conv", ["x", "int8_0_4"], ["c"]), ("Relu", ["c"], ["c_dq"])], output="c_dq")
    assert found == {"x", "value_c_constant", "value_c", "c_dq"}


def test_two_ends_that_collide_are_named() -> None:
    with pytest.raises(InputError, match="one end of the graph x and another x_q"):
        _names([("Conv", ["x", "int8_0_4"], ["c"]), ("Relu", ["c"], ["x_q"])], output="x_q")
