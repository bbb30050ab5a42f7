"""A convolution and two fully connected layers with a Relu between: what weights in blocks are for."""

from __future__ import annotations

import numpy as np
import onnx

from tests import tiny_graph


def fully_connected(inputs: int = 32, hidden: int = 48) -> onnx.ModelProto:
    """Conv of `x` [batch, 3, 9, 9] to `inputs` channels, Gemm `g` with the bias `a` to `hidden`, Gemm `h` to `y`."""
    random = np.random.default_rng(3)
    arrays = {"w": (inputs, 3, 3, 3), "b": (inputs,), "g": (hidden, inputs), "a": (hidden,), "h": (5, hidden)}
    return tiny_graph.model(
        nodes=[
            ("Conv", ["x", "w", "b"], ["c"], {"kernel_shape": [3, 3]}),
            ("Relu", ["c"], ["r"]),
            ("GlobalAveragePool", ["r"], ["p"]),
            ("Flatten", ["p"], ["f"]),
            ("Gemm", ["f", "g", "a"], ["d"], {"transB": 1}),
            ("Relu", ["d"], ["e"]),
            ("Gemm", ["e", "h"], ["y"], {"transB": 1}),
        ],
        inputs={"x": ("batch", 3, 9, 9)},
        outputs=["y"],
        initializers={name: random.normal(size=shape).astype(np.float32) for name, shape in arrays.items()},
    )
