"""Reading Q/DQ nodes: what is constant is found in deep and branching graphs, in time."""

from __future__ import annotations

import numpy as np

from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import stored_array
from tests import tiny_graph


def test_a_deep_graph_of_branches_that_meet_is_no_trouble() -> None:
    """Each Add reads the one before twice: 2^1500 paths lead to the input."""
    nodes = [("Add", [f"t{index}", f"t{index}"], [f"t{index + 1}"]) for index in range(1500)]
    deep = {"inputs": {"t0": (1,)}, "outputs": ["t1500"], "infer_shapes": False}
    model = QdqModel(tiny_graph.model(nodes=nodes, **deep), check=False)
    assert not model.is_constant(model.graph.outputs[0])
    nodes = [("Add", ["k", "k"], ["t0"]), *nodes, ("Add", ["x", "t1500"], ["y"])]
    model = QdqModel(
        tiny_graph.model(
            nodes=nodes,
            inputs={"x": (1,)},
            outputs=["y"],
            initializers={"k": np.ones(1, np.float32)},
            infer_shapes=False,
        ),
        check=False,
    )
    assert model.is_constant(model.graph.outputs[0].producer().inputs[1])  # type: ignore[union-attr]


def test_what_is_stored_is_read_and_what_is_computed_is_not() -> None:
    model = QdqModel(
        tiny_graph.model(
            nodes=[
                ("Constant", [], ["c"], {"value": np.arange(3, dtype=np.float32)}),
                ("Mul", ["c", "k"], ["m"]),
                ("Add", ["x", "m"], ["y"]),
            ],
            inputs={"x": (3,)},
            outputs=["y"],
            initializers={"k": np.ones(3, np.float32)},
        )
    )
    constant, product, total = (node.outputs[0] for node in model.nodes)
    assert stored_array(constant).tolist() == [0, 1, 2]  # type: ignore[union-attr]
    assert stored_array(product) is None and model.is_constant(product)
    assert stored_array(total) is None and not model.is_constant(total) and not model.is_constant(model.graph.inputs[0])


def test_only_the_operators_that_are_named_are_passed() -> None:
    model = QdqModel(
        tiny_graph.model(
            nodes=[
                ("QuantizeLinear", ["x", "s", "z"], ["q"]),
                ("DequantizeLinear", ["q", "s", "z"], ["d"]),
                ("Transpose", ["d"], ["t"]),
                ("Relu", ["t"], ["y"]),
            ],
            inputs={"x": (2, 3)},
            outputs=["y"],
            initializers={"s": np.float32(1), "z": np.uint8(0)},
        )
    )
    pair, transposed = model.nodes[1:3]
    value = transposed.outputs[0]
    found = model.dequantized(value, frozenset({"Transpose"}))
    assert found is not None and found.node is pair
    assert model.dequantized(value) is None
    assert model.dequantized(model.graph.outputs[0], frozenset({"Transpose"})) is None
