"""Conv against ONNX Runtime over its attributes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gdfq_export.errors import InputError
from gdfq_export.frontend.torch_import import import_graph
from tests import tiny_graph
from tests.frontend.torch_import.runtime import assert_same_as_runtime

PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=80, deadline=None)
@given(
    batch=st.integers(1, 3),
    groups=st.integers(1, 3),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    size=st.tuples(st.integers(4, 9), st.integers(4, 9)),
    kernel=PAIRS,
    strides=PAIRS,
    dilations=PAIRS,
    padding=st.one_of(
        st.lists(st.integers(0, 3), min_size=4, max_size=4), st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"])
    ),
    bias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_conv_equals_onnx_runtime(
    batch: int,
    groups: int,
    channels: tuple[int, int],
    size: tuple[int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    padding: list[int] | str,
    bias: bool,
    seed: int,
) -> None:
    pads = padding if isinstance(padding, list) else [0, 0, 0, 0]
    for axis in (0, 1):
        assume(size[axis] + pads[axis] + pads[axis + 2] >= (kernel[axis] - 1) * dilations[axis] + 1)
    # ONNX Runtime refuses SAME with a dilation.
    assume(isinstance(padding, list) or padding == "VALID" or dilations == (1, 1))
    random = np.random.default_rng(seed)
    initializers = {"w": random.normal(size=(channels[1] * groups, channels[0], *kernel)).astype(np.float32)}
    if bias:
        initializers["b"] = random.normal(size=channels[1] * groups).astype(np.float32)
    attributes: dict[str, Any] = {"strides": strides, "dilations": dilations, "group": groups}
    attributes |= {"pads": padding} if isinstance(padding, list) else {"auto_pad": padding}
    shape = (batch, channels[0] * groups, *size)
    proto = tiny_graph.model(
        nodes=[("Conv", ["x", *initializers], ["y"], attributes)],
        inputs={"x": ("batch", *shape[1:])},
        outputs=["y"],
        initializers=initializers,
    )
    assert_same_as_runtime(proto, random.normal(size=shape).astype(np.float32))


def test_depthwise_conv_equals_onnx_runtime() -> None:
    random = np.random.default_rng(0)
    proto = tiny_graph.model(
        nodes=[("Conv", ["x", "w"], ["y"], {"group": 8, "pads": [0, 0, 1, 1], "strides": [2, 2]})],
        inputs={"x": ("batch", 8, 10, 10)},
        outputs=["y"],
        initializers={"w": random.normal(size=(8, 1, 3, 3)).astype(np.float32)},
    )
    assert_same_as_runtime(proto, random.normal(size=(2, 8, 10, 10)).astype(np.float32))


def test_a_weight_of_unknown_shape_is_refused() -> None:
    model = tiny_graph.graph(
        nodes=[("Conv", ["x", "x"], ["y"])], inputs={"x": ("batch", 3, 8, 8)}, outputs=["y"], infer_shapes=False
    )
    model.graph.inputs[0].shape = None
    with pytest.raises(InputError, match=r"Conv node 'Conv_y' has a weight \('x'\) of unknown shape"):
        import_graph(model)
