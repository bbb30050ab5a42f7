"""Pooling against ONNX Runtime over its attributes, where torch's own pooling differs most."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests import tiny_graph
from tests.frontend.torch_import.runtime import assert_same_as_runtime

PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))
ATTRIBUTES = {
    "size": st.tuples(st.integers(4, 9), st.integers(4, 9)),
    "kernel": PAIRS,
    "strides": PAIRS,
    "dilations": PAIRS,
    "pads": st.lists(st.integers(0, 2), min_size=4, max_size=4),
    "ceil_mode": st.integers(0, 1),
    "seed": st.integers(0, 99),
}


def check(op_type: str, *, size: Any, kernel: Any, pads: Any, seed: int, **attributes: Any) -> None:
    for axis in (0, 1):
        reach = (kernel[axis] - 1) * attributes.get("dilations", (1, 1))[axis] + 1
        assume(size[axis] + pads[axis] + pads[axis + 2] >= reach)
        # A window that lies in the padding alone has no mean, and ONNX forbids it.
        assume(max(pads[axis], pads[axis + 2]) < kernel[axis])
    proto = tiny_graph.model(
        nodes=[(op_type, ["x"], ["y"], {"kernel_shape": kernel, "pads": pads, **attributes})],
        inputs={"x": ("batch", 3, *size)},
        outputs=["y"],
    )
    assert_same_as_runtime(proto, np.random.default_rng(seed).normal(size=(2, 3, *size)).astype(np.float32))


@settings(max_examples=80, deadline=None)
@given(**ATTRIBUTES)
def test_max_pool_equals_onnx_runtime(**attributes: Any) -> None:
    check("MaxPool", **attributes)


@settings(max_examples=80, deadline=None)
@given(**ATTRIBUTES, count_include_pad=st.integers(0, 1))
def test_average_pool_equals_onnx_runtime(**attributes: Any) -> None:
    check("AveragePool", **attributes)


@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_auto_pad_equals_onnx_runtime(op_type: str, auto_pad: str) -> None:
    proto = tiny_graph.model(
        nodes=[(op_type, ["x"], ["y"], {"kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": auto_pad})],
        inputs={"x": ("batch", 3, 8, 7)},
        outputs=["y"],
    )
    assert_same_as_runtime(proto, np.random.default_rng(0).normal(size=(2, 3, 8, 7)).astype(np.float32))
