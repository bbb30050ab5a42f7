"""Files that break one of TensorRT's rules each, and files that break none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto

from gdfq_export.support.finding import Consequence
from tests import tiny_graph

Nodes = list[tiny_graph.Node]
REFUSED, WRONG, FLOAT, SLOWER, *_ = Consequence
LAYERS = {"Conv_c", "Conv_d", "Gemm_y"}
RANDOM = np.random.default_rng(0)
SPATIAL = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}


def q(source: str, *constants: str, **attributes: int) -> tiny_graph.Node:
    return ("QuantizeLinear", [source, *(constants or grid(source))], [f"{source}_q"], attributes)


def dq(source: str, *constants: str, **attributes: int) -> tiny_graph.Node:
    return ("DequantizeLinear", [f"{source}_q", *(constants or grid(source))], [f"{source}_dq"], attributes)


def grid(source: str) -> tuple[str, str]:
    return f"{source}_scale", f"{source}_zero"


def conv(source: str, weight: str, output: str, *bias: str) -> tiny_graph.Node:
    return ("Conv", [source, weight, *bias], [output], SPATIAL)


def gemm(source: str, weight: str = "g_dq") -> tiny_graph.Node:
    return ("Gemm", [source, weight], ["y"], {"transB": 1})


def codes(*shape: int, limit: int = 127) -> np.ndarray:
    return RANDOM.integers(-limit, limit + 1, shape).astype(np.int8)


def activation() -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(0.02, np.float32), np.asarray(0, np.int8)


def channels(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full(count, 0.01, np.float32), np.zeros(count, np.int8)


NODES: Nodes = [
    q("x"),
    dq("x"),
    dq("w", axis=0),
    conv("x_dq", "w_dq", "c", "b"),
    ("Relu", ["c"], ["r"]),
    q("r"),
    dq("r"),
    dq("v", axis=0),
    conv("r_dq", "v_dq", "d"),
    ("GlobalAveragePool", ["d"], ["p"]),
    ("Flatten", ["p"], ["f"]),
    q("f"),
    dq("f"),
    dq("g", axis=0),
    gemm("f_dq"),
]
GRIDS = {name: activation() for name in "xcrpf"} | {"w": channels(8), "v": channels(8), "g": channels(5)}
ARRAYS = {
    **{f"{name}_scale": scale for name, (scale, _) in GRIDS.items()},
    **{f"{name}_zero": zero for name, (_, zero) in GRIDS.items()},
    "w_q": codes(8, 4, 3, 3),
    "v_q": codes(8, 8, 3, 3),
    "g_q": codes(5, 8),
    "b": RANDOM.normal(size=8).astype(np.float32),
}
FOUR_BITS = {"v": codes(8, 8, 3, 3, limit=7).astype(ml_dtypes.int4), "g": codes(5, 8, limit=7).astype(ml_dtypes.int4)}


def file(changes: Mapping[str, Nodes] | None = None, **arrays: np.ndarray) -> onnx.ModelProto:
    """The good file x -> y of two Conv and a Gemm; `changes` are what stands for the node that writes a value."""
    nodes = [new for node in NODES for new in (changes or {}).get(node[2][0], [node])]
    read, written = ({name for node in nodes for name in node[side]} for side in (1, 2))
    known = ARRAYS | arrays
    return tiny_graph.model(
        nodes=nodes,
        inputs={"x": ("batch", 4, 6, 6)},
        outputs=["y"],
        initializers={name: array for name, array in known.items() if name in read - written},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A file that breaks one rule, and the nodes that do; `floats` are the layers that then run in float."""

    rule: str
    consequence: Consequence
    nodes: list[str]
    changes: Mapping[str, Nodes] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    floats: frozenset[str] = frozenset()

    def file(self) -> onnx.ModelProto:
        return file(self.changes, **self.arrays)


PAIR = ["QuantizeLinear_r_q", "DequantizeLinear_r_dq"]
INT32_BIAS: Nodes = [("DequantizeLinear", ["b_q", "b_scale"], ["b"], {"axis": 0})]
BIAS = {"b_q": np.arange(8, dtype=np.int32), "b_scale": np.full(8, 2e-4, np.float32)}
ONE_SHIFTED = np.array([0] * 7 + [1], np.int8)
LARGEST: Nodes = [("ReduceMax", ["x"], ["m"], {"keepdims": 0}), ("Mul", ["m", "step"], ["x_scale"])]
NO_PAIR: dict[str, Nodes] = {"r_q": [], "r_dq": []}
ACROSS = {"r_scale": np.full(8, 0.02, np.float32), "r_zero": np.zeros(8, np.int8)}
HALVED: Nodes = [("AveragePool", ["r_dq"], ["h"], {"kernel_shape": [2, 2]}), conv("h", "v_dq", "d")]

BROKEN = {
    "zero point of an activation": Broken(
        rule="zero point", consequence=REFUSED, nodes=PAIR, arrays={"r_zero": np.asarray(3, np.int8)}
    ),
    "zero point of a weight": Broken(
        rule="zero point", consequence=REFUSED, nodes=["DequantizeLinear_v_dq"], arrays={"v_zero": ONE_SHIFTED}
    ),
    "uint8 weights": Broken(
        rule="uint8",
        consequence=REFUSED,
        nodes=["DequantizeLinear_v_dq"],
        arrays={"v_q": np.abs(ARRAYS["v_q"]).astype(np.uint8), "v_zero": np.zeros(8, np.uint8)},
    ),
    "int32 bias": Broken(
        rule="bias",
        consequence=REFUSED,
        nodes=["DequantizeLinear_b"],
        changes={"c": [*INT32_BIAS, conv("x_dq", "w_dq", "c", "b")]},
        arrays=BIAS,
    ),
    "int16 activation": Broken(
        rule="type", consequence=REFUSED, nodes=PAIR, arrays={"r_zero": np.asarray(0, np.int16)}
    ),
    "int4 activation": Broken(
        rule="4-bit activations", consequence=REFUSED, nodes=PAIR, arrays={"r_zero": np.asarray(0, ml_dtypes.int4)}
    ),
    "uint4 activation": Broken(
        rule="4-bit activations", consequence=REFUSED, nodes=PAIR, arrays={"r_zero": np.asarray(0, ml_dtypes.uint4)}
    ),
    "uint4 weights of a Gemm": Broken(
        rule="type",
        consequence=REFUSED,
        nodes=["DequantizeLinear_g_dq"],
        arrays={"g_q": np.zeros((5, 8), ml_dtypes.uint4), "g_zero": np.zeros(5, ml_dtypes.uint4)},
    ),
    "computed scale": Broken(
        rule="scale",
        consequence=REFUSED,
        nodes=["QuantizeLinear_x_q", "DequantizeLinear_x_dq"],
        changes={"x_q": [*LARGEST, q("x")]},
        arrays={"step": np.asarray(1 / 127, np.float32)},
    ),
    "scale of 0": Broken(
        rule="scale",
        consequence=REFUSED,
        nodes=["DequantizeLinear_v_dq"],
        arrays={"v_scale": np.array([0.01] * 7 + [0], np.float32)},
    ),
    "int4 weights beside int8 activations": Broken(
        rule="4-bit convolution",
        consequence=REFUSED,
        nodes=["Conv_d"],
        arrays={"v_q": FOUR_BITS["v"], "v_zero": np.zeros(8, ml_dtypes.int4)},
    ),
    "uint8 from 0": Broken(rule="uint8", consequence=WRONG, nodes=PAIR, arrays={"r_zero": np.asarray(0, np.uint8)}),
    "no zero point": Broken(
        rule="zero point omitted",
        consequence=WRONG,
        nodes=PAIR,
        changes={"r_q": [q("r", "r_scale")], "r_dq": [dq("r", "r_scale")]},
    ),
    "activation with a scale a channel": Broken(
        rule="activation scale",
        consequence=FLOAT,
        nodes=PAIR,
        changes={"r_q": [q("r", axis=1)], "r_dq": [dq("r", axis=1)]},
        arrays=ACROSS,
        floats=frozenset({"Conv_d"}),
    ),
    "weights only": Broken(
        rule="half quantized",
        consequence=FLOAT,
        nodes=["Conv_d"],
        changes={**NO_PAIR, "d": [conv("r", "v_dq", "d")]},
        floats=frozenset({"Conv_d"}),
    ),
    "activations only": Broken(
        rule="float layer",
        consequence=FLOAT,
        nodes=["Conv_d"],
        changes={"v_dq": []},
        arrays={"v_dq": RANDOM.normal(size=(8, 8, 3, 3)).astype(np.float32)},
        floats=frozenset({"Conv_d"}),
    ),
    "pair in front of AveragePool": Broken(
        rule="average pool", consequence=FLOAT, nodes=["Conv_d"], changes={"d": HALVED}, floats=frozenset({"Conv_d"})
    ),
    "pair in front of Relu": Broken(
        rule="pair before an activation",
        consequence=SLOWER,
        nodes=["Relu_r"],
        changes={"r": [q("c"), dq("c"), ("Relu", ["c_dq"], ["r"])]},
    ),
}
CAST: Nodes = [("Cast", ["v_4"], ["v_q"], {"to": TensorProto.INT8}), dq("v", axis=0)]  # as in a file for ONNX Runtime
BEHIND_A_CAST = file({"v_dq": CAST}, v_4=FOUR_BITS["v"])
REFUSED_FILES = {name: broken.file() for name, broken in BROKEN.items() if broken.consequence is REFUSED}
REFUSED_FILES["int4 weights behind a Cast"] = BEHIND_A_CAST
BUILDS = [name for name, broken in BROKEN.items() if broken.consequence in (FLOAT, SLOWER)]

FINE = {
    "the good file": file(),
    "int4 weights of a Gemm": file(g_q=FOUR_BITS["g"], g_zero=np.zeros(5, ml_dtypes.int4)),
    "int8 weights whose zero point is left out": file({"v_dq": [dq("v", "v_scale", axis=0)]}),
    "a type instead of a zero point": file(
        {"r_q": [q("r", "r_scale", output_dtype=TensorProto.INT8)], "r_dq": [dq("r", "r_scale")]}
    ),
    "a scale made of constants": file(
        {"x_q": [("Mul", ["step", "step"], ["x_scale"]), q("x")]}, step=np.asarray(0.1, np.float32)
    ),
    "MaxPool behind the pair": file(
        {"d": [("MaxPool", ["r_dq"], ["h"], {"kernel_shape": [2, 2]}), conv("h", "v_dq", "d")]}
    ),
    "Flatten behind the pair": file(
        {"f": [q("p"), dq("p"), ("Flatten", ["p_dq"], ["f"])], "f_q": [], "f_dq": [], "y": [gemm("f")]}
    ),
}
