"""The table of traits, checked with ONNX's reference implementation of every operator that it says something of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

from gdfq_export.targets.operator_traits import LAYERS, OPERATOR_TRAITS

_X = np.random.default_rng(0).normal(size=(1, 4, 6, 6)).astype(np.float32)
_INPUTS: dict[str, list[np.ndarray[Any, Any]]] = {
    "Reshape": [np.array([1, -1])],
    "Squeeze": [np.array([0])],
    "Unsqueeze": [np.array([0])],
    "Slice": [np.array([1]), np.array([3]), np.array([2])],
    "Split": [np.array([2, 4])],
}
_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "AveragePool": {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
    "MaxPool": {"kernel_shape": [3, 3], "strides": [2, 2]},
    "Split": {"axis": 2},
    "Transpose": {"perm": [0, 2, 3, 1]},
}


@pytest.mark.parametrize("operator", sorted(OPERATOR_TRAITS.keys() - LAYERS))
def test_an_operator_does_to_elements_what_the_table_says(operator: str) -> None:
    traits, extra = OPERATOR_TRAITS[operator], _INPUTS.get(operator, [])
    names = [f"x{index}" for index in range(len(extra) + 1)]
    outputs = ["y", "z"] if operator == "Split" else ["y"]
    node = helper.make_node(operator, names, outputs, **_ATTRIBUTES.get(operator, {}))
    results: Any = ReferenceEvaluator(node).run(None, dict(zip(names, [_X, *extra], strict=True)))
    found = np.concatenate([np.ravel(result) for result in results[: len(outputs)]])
    if traits.moves_elements:
        assert np.isin(found, _X).all()
    if traits.moves_elements and not traits.drops_elements:
        assert np.array_equal(np.sort(found), np.sort(_X.ravel()))
    if traits.keeps_range:
        assert min(_X.min(), 0) <= found.min() and found.max() <= max(_X.max(), 0)
    if traits.pools:
        assert results[0].shape[:2] == _X.shape[:2]
