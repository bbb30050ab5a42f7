"""Operators that stay float, as exporters write them, against ONNX Runtime; gradients flow through all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from gdfq_export.frontend.torch_import import import_graph
from tests import tiny_graph
from tests.frontend.torch_import.runtime import assert_same_as_runtime

X = np.random.default_rng(0).normal(size=(2, 6, 5, 7)).astype(np.float32)
WEIGHT = np.random.default_rng(1).normal(size=(6, 2, 3, 2)).astype(np.float32)
BIAS = np.linspace(-1, 1, 4).astype(np.float32)
GAIN = np.linspace(0.5, 1.5, 6).astype(np.float32)

Constants = list[np.ndarray | None]
CASES: dict[str, tuple[str, Constants, dict[str, Any]]] = {
    "clip whose limit is a tensor": ("Clip", [np.float32(-0.5), np.float32(0.5)], {}),
    "transposed convolution": ("ConvTranspose", [WEIGHT, BIAS], {"group": 2, "strides": [2, 3]}),
    "transposed, cut and padded": (
        "ConvTranspose",
        [WEIGHT, BIAS],
        {"group": 2, "strides": [2, 3], "pads": [1, 0, 0, 1], "output_padding": [1, 2]},
    ),
    "transposed, dilated": ("ConvTranspose", [WEIGHT], {"group": 2, "dilations": [2, 3]}),
    "transposed to a shape": (
        "ConvTranspose",
        [WEIGHT, BIAS],
        {"group": 2, "strides": [2, 2], "output_shape": [9, 14]},
    ),
    "transposed, same": ("ConvTranspose", [WEIGHT], {"group": 2, "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    "einsum": ("Einsum", [WEIGHT], {"equation": "nchw,cijk->nijhk"}),
    "instance normalization": ("InstanceNormalization", [GAIN, GAIN], {}),
    "layer normalization": ("LayerNormalization", [X[0, 0], X[0, 1]], {"axis": 2}),
    "local response": ("LRN", [], {"size": 5, "alpha": 0.3, "beta": 0.6, "bias": 1.1}),
    "norm of each channel": ("GlobalLpPool", [], {"p": 3}),
    "norm of windows": ("LpPool", [], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1], "p": 2}),
    "largest of the channels": ("ReduceMax", [np.array([1])], {"keepdims": 1}),
    "sum over rows and channels": ("ReduceSum", [np.array([-2, 1])], {"keepdims": 0}),
    "product over rows": ("ReduceProd", [np.array([2])], {"keepdims": 0}),
    "power": ("Pow", [np.float32(2)], {}),
    "largest of three": ("Max", [np.float32(0.1), GAIN.reshape(6, 1, 1)], {}),
    "mean of two": ("Mean", [np.float32(0.1)], {}),
    "gather elements": ("GatherElements", [np.full((2, 6, 5, 3), -2)], {"axis": 3}),
    "gather tuples": ("GatherND", [np.array([[[0, -1], [2, 3]], [[1, 1], [4, 0]]])], {"batch_dims": 1}),
    "upper triangle": ("Trilu", [np.int64(-1)], {"upper": 1}),
    "celu": ("Celu", [], {"alpha": 0.7}),
    "selu": ("Selu", [], {}),
    "shrink": ("Shrink", [], {"bias": 0.2, "lambd": 0.4}),
    "thresholded": ("ThresholdedRelu", [], {"alpha": 0.4}),
    "norm along an axis": ("LpNormalization", [], {"axis": 1, "p": 2}),
}


@pytest.mark.parametrize("case", CASES)
def test_operator_equals_onnx_runtime_and_has_a_gradient(case: str) -> None:
    op_type, constants, attributes = CASES[case]
    names = [f"c{index}" for index in range(len(constants))]
    proto = tiny_graph.model(
        nodes=[(op_type, ["x", *names], ["y"], attributes)],
        inputs={"x": ("batch", *X.shape[1:])},
        outputs=["y"],
        initializers={name: each for name, each in zip(names, constants, strict=True) if each is not None},
    )
    assert_same_as_runtime(proto, X)
    x = torch.from_numpy(X).requires_grad_()
    import_graph(tiny_graph.ir.from_proto(proto))(x).square().sum().backward()
    assert x.grad is not None and bool(x.grad.isfinite().all()) and bool(x.grad.any())


def test_the_largest_elements_and_their_indices() -> None:
    for output in ("values", "indices"):
        proto = tiny_graph.model(
            nodes=[("TopK", ["x", "k"], ["values", "indices"], {"axis": 2, "largest": 0})],
            inputs={"x": ("batch", *X.shape[1:])},
            outputs=[output],
            initializers={"k": np.array([3])},
        )
        assert_same_as_runtime(proto, X)


def test_numbers_that_the_graph_computes_from_shapes() -> None:
    """A mask of an axis whose length is computed, and a Slice whose end is."""
    proto = tiny_graph.model(
        nodes=[
            ("Shape", ["x"], ["length"], {"start": 3, "end": 4}),
            ("Squeeze", ["length"], ["scalar"]),
            ("Range", ["zero", "scalar", "one"], ["places"]),
            ("Less", ["places", "three"], ["first"]),
            ("Where", ["first", "x", "low"], ["masked"]),
            ("Sub", ["length", "ones"], ["end"]),
            ("Slice", ["masked", "ones", "end", "last"], ["y"]),
        ],
        inputs={"x": ("batch", *X.shape[1:])},
        outputs=["y"],
        initializers={
            "zero": np.int64(0),
            "one": np.int64(1),
            "ones": np.array([1]),
            "three": np.int64(3),
            "last": np.array([3]),
            "low": np.float32(-4),
        },
    )
    assert_same_as_runtime(proto, X)


def test_limits_that_the_graph_computes() -> None:
    proto = tiny_graph.model(
        nodes=[("ReduceMean", ["x"], ["m"], {"keepdims": 0}), ("Clip", ["x", "m"], ["y"])],
        inputs={"x": ("batch", *X.shape[1:])},
        outputs=["y"],
    )
    assert_same_as_runtime(proto, X)


def test_a_split_of_which_a_part_is_not_read() -> None:
    proto = tiny_graph.model(
        nodes=[("Split", ["x"], ["a", "b", "c"], {"axis": 1, "num_outputs": 3}), ("Add", ["a", "c"], ["y"])],
        inputs={"x": ("batch", *X.shape[1:])},
        outputs=["y"],
    )
    assert_same_as_runtime(proto, X)
