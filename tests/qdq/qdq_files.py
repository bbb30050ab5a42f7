"""A good Q/DQ file for ONNX Runtime, x -> y of two Conv, a pool and a Gemm, and changes that break one rule each."""

from __future__ import annotations

from collections.abc import Mapping

import ml_dtypes
import numpy as np
import onnx

from tests import tiny_graph

Nodes = list[tiny_graph.Node]
RANDOM = np.random.default_rng(0)
SPATIAL = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
SHAPE = (4, 6, 6)


def pair(source: str, scale: str = "", zero: str = "", **attributes: int) -> Nodes:
    grid = [scale or f"{source}_scale", zero or f"{source}_zero"]
    return [
        ("QuantizeLinear", [source, *grid], [f"{source}_q"], attributes),
        ("DequantizeLinear", [f"{source}_q", *grid], [f"{source}_dq"], attributes),
    ]


def dq(name: str, *grid: str, axis: int = 0, **attributes: int) -> tiny_graph.Node:
    inputs = [f"{name}_q", *(grid or (f"{name}_scale", f"{name}_zero"))]
    return ("DequantizeLinear", inputs, [f"{name}_dq"], {"axis": axis, **attributes})


def conv(source: str, weight: str, bias: str, output: str) -> tiny_graph.Node:
    return ("Conv", [source, weight, *([bias] if bias else [])], [output], SPATIAL)


def gemm(source: str = "f_dq", bias: str = "h_dq", **attributes: float) -> tiny_graph.Node:
    return ("Gemm", [source, "g_dq", *([bias] if bias else [])], ["y"], {"transB": 1, **attributes})


NODES: Nodes = [
    *pair("x"),
    dq("w"),
    dq("b", "b_scale"),
    conv("x_dq", "w_dq", "b_dq", "c"),
    ("Relu", ["c"], ["r"]),
    *pair("r"),
    dq("v"),
    dq("d", "d_scale"),
    conv("r_dq", "v_dq", "d_dq", "e"),
    *pair("e"),
    ("GlobalAveragePool", ["e_dq"], ["p"]),
    *pair("p"),
    ("Flatten", ["p_dq"], ["f"]),
    *pair("f", "p_scale", "p_zero"),
    dq("g"),
    dq("h", "h_scale"),
    gemm(),
]
PRODUCT: Nodes = [("Tanh", ["e_dq"], ["t"]), ("MatMul", ["e_dq", "t"], ["m"]), ("GlobalAveragePool", ["m"], ["p"])]
GRIDS = {"x": (0.02, 128), "r": (0.02, 0), "e": (0.03, 128), "p": (0.01, 128)}
CHANNELS = {"w": (8, 4, 3, 3), "v": (8, 8, 3, 3), "g": (5, 8)}
BIASES = {"b": ("x", 8), "d": ("r", 8), "h": ("p", 5)}
STEP = np.float32(0.002)


def codes(*shape: int, limit: int = 127) -> np.ndarray:
    return RANDOM.integers(-limit, limit + 1, shape).astype(np.int8)


def floats(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32) * np.float32(0.1)


ARRAYS: dict[str, np.ndarray] = {
    **{f"{name}_scale": np.asarray(scale, np.float32) for name, (scale, _) in GRIDS.items()},
    **{f"{name}_zero": np.asarray(zero, np.uint8) for name, (_, zero) in GRIDS.items()},
    **{f"{name}_q": codes(*shape) for name, shape in CHANNELS.items()},
    **{f"{name}_scale": np.full(shape[0], STEP) for name, shape in CHANNELS.items()},
    **{f"{name}_zero": np.zeros(shape[0], np.int8) for name, shape in CHANNELS.items()},
    **{f"{name}_q": RANDOM.integers(-9000, 9000, count).astype(np.int32) for name, (_, count) in BIASES.items()},
    **{
        f"{name}_scale": np.full(count, np.float32(GRIDS[source][0]) * STEP, np.float32)
        for name, (source, count) in BIASES.items()
    },
}
INT4 = codes(8, 8, 3, 3, limit=7).astype(ml_dtypes.int4)


def file(changes: Mapping[str, Nodes] | None = None, *, opset: int = 21, **arrays: np.ndarray) -> onnx.ModelProto:
    """The good file; `changes` are what stands for the node that writes a value, `arrays` other numbers."""
    nodes = [new for node in NODES for new in (changes or {}).get(node[2][0], [node])]
    read, written = ({name for node in nodes for name in node[side]} for side in (1, 2))
    known = ARRAYS | arrays
    return tiny_graph.model(
        nodes=nodes,
        inputs={"x": ("batch", *SHAPE)},
        outputs=["y"],
        initializers={name: array for name, array in known.items() if name in read - written},
        opset=opset,
    )


def image(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1, *SHAPE)).astype(np.float32)
