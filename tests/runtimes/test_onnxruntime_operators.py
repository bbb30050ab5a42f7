"""The table of what ONNX Runtime runs on integers, held against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gdfq_export.runtimes.onnxruntime import optimized_graph
from gdfq_export.runtimes.onnxruntime_operators import INTEGER_KERNELS, KINDS
from tests import tiny_graph

CONSTANTS = {
    "shape": np.array([0, -1]),
    "four": np.array([1, 4, 2, 2]),
    "axes": np.array([2, 3]),
    "none": np.array([0, 0]),
    "most": np.array([1, 1]),
    "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    "first": np.array([0]),
    "twice": np.array([1, 1, 2, 2], np.int64),
    "sizes": np.array([1.0, 1.0, 2.0, 2.0], np.float32),
    "low": np.float32(0.0),
    "high": np.float32(6.0),
}
# operator: its inputs ("x" is quantized), its attributes; inputs are [1, 4, 2, 2]
CASES: dict[str, tuple[list[str], dict[str, Any]]] = {
    "Add": (["x", "x2"], {}),
    "Mul": (["x", "x2"], {}),
    "Concat": (["x", "x2"], {"axis": 1}),
    "AveragePool": (["x"], {"kernel_shape": [2, 2]}),
    "GlobalAveragePool": (["x"], {}),
    "LeakyRelu": (["x"], {}),
    "Sigmoid": (["x"], {}),
    "Softmax": (["x"], {"axis": -1}),
    "MaxPool": (["x"], {"kernel_shape": [2, 2]}),
    "ReduceMax": (["x", "axes"], {}),
    "ReduceMin": (["x", "axes"], {}),
    "Reshape": (["x", "shape"], {}),
    "Flatten": (["x"], {}),
    "Transpose": (["x"], {"perm": [0, 2, 3, 1]}),
    "Squeeze": (["x", "first"], {}),
    "Unsqueeze": (["x", "first"], {}),
    "Slice": (["x", "none", "most", "axes"], {}),
    "Gather": (["x", "first"], {}),
    "DepthToSpace": (["x"], {"blocksize": 2}),
    "SpaceToDepth": (["x"], {"blocksize": 2}),
    "Expand": (["x", "four"], {}),
    "Tile": (["x", "twice"], {}),
    "Pad": (["x", "pads"], {}),
    "Resize": (["x", "", "sizes"], {"mode": "nearest"}),
    "Clip": (["x", "low", "high"], {}),
    "Relu": (["x"], {}),
    "HardSwish": (["x"], {}),
    "HardSigmoid": (["x"], {}),
    "ReduceMean": (["x", "axes"], {}),
    "Sub": (["x", "x2"], {}),
    "Identity": (["x"], {}),
}


@pytest.mark.parametrize("operator", CASES)
def test_the_table_says_what_the_runtime_does(operator: str) -> None:
    """Between Q/DQ pairs an integer operator leaves one DequantizeLinear, the last; a float one has more."""
    inputs, attributes = CASES[operator]
    given = {name: ("a" if name == "x" else "b") for name in inputs if name in ("x", "x2")}
    parameters, last = ["scale", "zero"], ["last_scale", "zero"]
    pairs = [
        node
        for name, source in given.items()
        for node in (
            ("QuantizeLinear", [source, *parameters], [f"{source}_q"]),
            ("DequantizeLinear", [f"{source}_q", *parameters], [name]),
        )
    ]
    model = tiny_graph.model(
        nodes=[
            *pairs,
            (operator, inputs, ["y"], attributes),
            ("QuantizeLinear", ["y", *last], ["y_q"]),
            ("DequantizeLinear", ["y_q", *last], ["out"]),
        ],
        inputs={source: (1, 4, 2, 2) for source in given.values()},
        outputs=["out"],
        initializers={
            "scale": np.float32(0.02),
            "last_scale": np.float32(1 / 256 if operator in ("Softmax", "Sigmoid") else 0.02),
            "zero": np.uint8(0),
            **{name: value for name, value in CONSTANTS.items() if name in inputs},
        },
    )
    executed = [node.op_type for node in optimized_graph(model.SerializeToString()).graph.node]
    assert (executed.count("DequantizeLinear") == 1) == (operator in INTEGER_KERNELS), executed


def test_float_and_integer_compute_are_told_apart() -> None:
    assert {KINDS[name] for name in ("Conv", "FusedConv", "Gemm", "MatMulNBits")} == {"float compute"}
    assert {KINDS[name] for name in ("QLinearConv", "QGemm", "MatMulInteger")} == {"integer compute"}
