from __future__ import annotations

import numpy as np

from gdfq_export.frontend.passes.value_dependent_shapes import value_dependent_shapes
from tests import tiny_graph


def names_of(nodes: list[tiny_graph.Node], **arrays: np.ndarray) -> set[str]:
    model = tiny_graph.graph(
        nodes=nodes, inputs={"x": ("batch", 3, 4)}, outputs=[nodes[-1][2][0]], initializers=arrays, infer_shapes=False
    )
    return {str(value.name) for value in value_dependent_shapes(model.graph)}


def test_what_is_found_in_the_image_has_a_shape_of_its_own_and_so_has_what_is_computed_from_it() -> None:
    nodes: list[tiny_graph.Node] = [
        ("Relu", ["x"], ["r"]),
        ("NonZero", ["r"], ["n"]),
        ("Transpose", ["n"], ["t"]),
        ("Shape", ["t"], ["s"]),
    ]
    assert names_of(nodes) == {"n", "t"}


def test_sizes_that_follow_from_sizes_are_known() -> None:
    nodes: list[tiny_graph.Node] = [("Shape", ["x"], ["s"]), ("Reshape", ["x", "s"], ["y"])]
    assert names_of(nodes) == set()


def test_sizes_that_follow_from_elements_are_not() -> None:
    nodes: list[tiny_graph.Node] = [
        ("ReduceMax", ["x"], ["m"], {"keepdims": 0}),
        ("Cast", ["m"], ["k"], {"to": 7}),
        ("Range", ["zero", "k", "one"], ["y"]),
    ]
    assert names_of(nodes, zero=np.int64(0), one=np.int64(1)) == {"y"}
