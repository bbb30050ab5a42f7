"""Files that break one of the rules of ONNX Runtime's QNN provider each, and files that break none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import ml_dtypes
import numpy as np
import onnx

from gdfq_export.frontend.passes.batch.symbolic_batch import with_fixed_batch
from gdfq_export.support.finding import Consequence
from tests.qdq import qdq_files
from tests.qdq.qdq_files import Nodes, codes, conv, dq, floats, pair

FLOAT, REFUSED, WRONG, ROUNDED, MISTAKE = (
    Consequence.FLOAT,
    Consequence.REFUSED,
    Consequence.WRONG,
    Consequence.ROUNDED,
    Consequence.MISTAKE,
)
PADDED: Nodes = [
    ("QuantizeLinear", ["m", "m_scale", "m_zero"], ["m_q"]),
    ("Pad", ["m_q", "pads", "m_zero"], ["m_padded"]),
    ("DequantizeLinear", ["m_padded", "m_scale", "m_zero"], ["m_dq"]),
]
HALF = np.asarray(0.5, np.float32)


def grid(name: str, scale: float, zero: np.generic) -> dict[str, np.ndarray]:
    return {f"{name}_scale": np.asarray(scale, np.float32), f"{name}_zero": np.asarray(zero)}


def file(changes: Mapping[str, Nodes] | None = None, *, opset: int = 21, **arrays: np.ndarray) -> onnx.ModelProto:
    """The file of `qdq_files`, for one image, with a pair behind its Gemm."""
    last: Nodes = [("Gemm", ["f_dq", "g_dq", "h_dq"], ["m"], {"transB": 1}), *pair("m"), ("Relu", ["m_dq"], ["n"])]
    named = grid("m", 0.05, np.uint8(128)) | grid("n", 0.05, np.uint8(0))
    ended: Nodes = [*pair("n", "n_scale", "n_zero")]
    ended[-1] = ("DequantizeLinear", ["n_q", "n_scale", "n_zero"], ["y"], {})
    changes = dict(changes or {})
    made = [new for node in changes.pop("m", last) for new in changes.get(node[2][0], [node])]
    changes["y"] = [*made, *ended]
    return with_fixed_batch(qdq_files.file(changes, opset=opset, **(named | arrays)), 1)


def layer(bias: str = "h_dq", **attributes: float) -> Nodes:
    """What stands for the Gemm: the Gemm, a pair, a Relu."""
    inputs = ["f_dq", "g_dq", *([bias] if bias else [])]
    return [("Gemm", inputs, ["m"], {"transB": 1, **attributes}), *pair("m"), ("Relu", ["m_dq"], ["n"])]


def unary(op_type: str, zero: np.generic, scale: float) -> onnx.ModelProto:
    """An operator of one input in the place of the last Relu, its codes in the type of `zero`."""
    wide = zero.dtype.itemsize > 1
    middle = np.asarray((np.iinfo(zero.dtype).max + 1) // 2 if np.iinfo(zero.dtype).min == 0 else 0, zero.dtype)
    last: Nodes = [*layer()[:-1], (op_type, ["m_dq"], ["n"], {})]
    return file({"m": last}, **grid("m", 2e-4 if wide else 0.05, middle), **grid("n", scale, zero))


@dataclass(frozen=True, kw_only=True)
class Broken:
    """`node` breaks `rule`, and with it those of `also`; `elsewhere` are nodes that the processor does not take."""

    file: onnx.ModelProto
    rule: str
    node: str
    consequence: Consequence
    elsewhere: set[str] = field(default_factory=set)
    also: set[str] = field(default_factory=set)


def _open() -> onnx.ModelProto:
    opened = file()
    opened.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    opened.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    return opened


def _int16_weight() -> onnx.ModelProto:
    return file(v_q=codes(8, 8, 3, 3).astype(np.int16), v_zero=np.zeros(8, np.int16))


_TENSOR = {"g_scale": np.asarray(0.002, np.float32), "g_zero": np.asarray(0, np.int8)}
_STEP = np.full(5, np.float32(0.01 * 0.002))
_PRODUCT: Nodes = [
    ("Reshape", ["e_dq", "tokens"], ["t"]),
    *pair("t", "e_scale", "e_zero"),
    ("DequantizeLinear", ["k_q", "k_scale", "k_zero"], ["k_dq"], {"axis": 1}),
    ("MatMul", ["t_dq", "k_dq"], ["o"]),
    *pair("o", "e_scale", "e_zero"),
    ("Reshape", ["o_dq", "image"], ["o2"]),
    *pair("o2", "e_scale", "e_zero"),
    ("GlobalAveragePool", ["o2_dq"], ["p"]),
]
_FACTOR = {
    "tokens": np.array([1, 8, 36]),
    "image": np.array([1, 8, 6, 6]),
    "k_q": codes(36, 36),
    "k_scale": np.full(36, 0.002, np.float32),
    "k_zero": np.zeros(36, np.int8),
}

BROKEN: dict[str, Broken] = {
    "an open batch": Broken(
        file=_open(), rule="open size", node="the file", consequence=FLOAT,
        elsewhere={"Conv_c", "Conv_e", "GlobalAveragePool_p", "Gemm_m"},
    ),
    "16 bits before opset 21": Broken(
        file=file(opset=20, **grid("n", 2e-4, np.uint16(0))),
        rule="opset", node="QuantizeLinear_n_q", consequence=REFUSED,
    ),
    "4-bit activations": Broken(
        file=file(**grid("r", 0.2, np.asarray(0, ml_dtypes.uint4))),
        rule="type", node="QuantizeLinear_r_q", consequence=FLOAT,
        also={"bias scale"},
    ),
    "int8 beside LeakyRelu": Broken(
        file=unary("LeakyRelu", np.int8(0), 0.05),
        rule="int8 activation", node="DequantizeLinear_m_dq", consequence=FLOAT,
        elsewhere={"LeakyRelu_n"},
    ),
    "a scale for each channel of an activation": Broken(
        file=file(
            {"r_q": [("QuantizeLinear", ["r", "r_scale", "r_zero"], ["r_q"], {"axis": 1})],
             "r_dq": [("DequantizeLinear", ["r_q", "r_scale", "r_zero"], ["r_dq"], {"axis": 1})]},
            r_scale=np.full(8, 0.02, np.float32), r_zero=np.zeros(8, np.uint8),
        ),
        rule="activation scale", node="QuantizeLinear_r_q", consequence=REFUSED,
    ),
    "a range of nothing": Broken(
        file=file(**grid("p", 1e-8, np.uint8(0))),
        rule="smallest range", node="QuantizeLinear_p_q", consequence=MISTAKE, also={"bias scale"},
    ),
    "read with another scale": Broken(
        file=file({"m_dq": [("DequantizeLinear", ["m_q", "half", "m_zero"], ["m_dq"])]}, half=HALF),
        rule="second scale", node="DequantizeLinear_m_dq", consequence=WRONG,
    ),
    "a float result": Broken(
        file=file({"m": [*layer()[:1], ("Relu", ["m"], ["o"]), ("Mul", ["o", "half"], ["n"])]}, half=HALF),
        rule="result in float", node="Gemm_m", consequence=FLOAT, elsewhere={"Gemm_m"}, also={"no pair"},
    ),
    "a float activation": Broken(
        file=file({"m": [("Gemm", ["f", "g_dq", "h_dq"], ["m"], {"transB": 1}), *layer()[1:]]}),
        rule="half quantized", node="Gemm_m", consequence=FLOAT, also={"no pair"},
    ),
    "a float weight": Broken(
        file=file({"v_dq": [("Identity", ["v"], ["v_dq"])]}, v=floats(8, 8, 3, 3)),
        rule="float weight", node="Conv_e", consequence=ROUNDED,
    ),
    "a float bias": Broken(
        file=file({"d_dq": []}, d_dq=floats(8)), rule="float bias", node="Conv_e", consequence=ROUNDED
    ),
    "an int16 weight": Broken(file=_int16_weight(), rule="weight type", node="Conv_e", consequence=REFUSED),
    "scales along inputs": Broken(
        file=file({"v_dq": [dq("v", axis=1)]}),
        rule="weight axis", node="Conv_e", consequence=FLOAT, elsewhere={"Conv_e"}
    ),
    "a MatMul with a scale for each channel": Broken(
        file=file({"p": _PRODUCT}, **_FACTOR), rule="scale per channel", node="MatMul_o", consequence=FLOAT
    ),
    "zero points of channels": Broken(
        file=file(v_zero=np.full(8, 3, np.int8)), rule="weight zero point", node="Conv_e", consequence=REFUSED
    ),
    "one scale of a weight, several of its bias": Broken(
        file=file(
            {"g_dq": [("DequantizeLinear", ["g_q", "g_scale", "g_zero"], ["g_dq"])]}, **_TENSOR, h_scale=_STEP
        ),
        rule="scales of a bias", node="Gemm_m", consequence=WRONG,
    ),
    "a Pad of codes in front of a Tanh": Broken(
        file=file({"m": [*layer()[:1], *PADDED, ("Tanh", ["m_dq"], ["n"])]}, pads=np.array([0, 1, 0, 1])),
        rule="operator on codes", node="Pad_m_padded", consequence=FLOAT, elsewhere={"Pad_m_padded", "Tanh_n"},
    ),
    "a dead channel of 16 bits": Broken(
        file=file(
            **grid("r", 1e-4, np.uint16(0)), **grid("e", 2e-4, np.uint16(32768)),
            v_scale=np.array([1e-8] * 7 + [0.002], np.float32),
        ),
        rule="small multiplier", node="Conv_e", consequence=WRONG, also={"bias scale"},
    ),
    "a bias in other steps": Broken(
        file=file(h_scale=3 * _STEP), rule="bias scale", node="Gemm_m", consequence=MISTAKE
    ),
    "a factor": Broken(
        file=file({"m": layer(alpha=2.0)}), rule="factor", node="Gemm_m", consequence=FLOAT, elsewhere={"Gemm_m"}
    ),
    "a Clip of codes": Broken(
        file=file(
            {"r_q": [("QuantizeLinear", ["r", "r_scale", "r_zero"], ["r_wide"]),
                     ("Clip", ["r_wide", "low", "high"], ["r_q"])]},
            low=np.asarray(0, np.uint8), high=np.asarray(15, np.uint8),
        ),
        rule="operator on codes", node="Clip_r_q", consequence=REFUSED,
    ),
    "Sigmoid": Broken(
        file=unary("Sigmoid", np.uint16(0), 3e-5), rule="fixed scale", node="Sigmoid_n", consequence=WRONG
    ),
    "Tanh": Broken(file=unary("Tanh", np.uint16(32768), 5e-5), rule="fixed scale", node="Tanh_n", consequence=WRONG),
    "int16 Sigmoid": Broken(
        file=unary("Sigmoid", np.int16(0), 6e-5), rule="fixed scale", node="Sigmoid_n", consequence=WRONG
    ),
    "no pair in front": Broken(
        file=file({"p": [("Erf", ["e_dq"], ["t"]), ("GlobalAveragePool", ["t"], ["p"])]}),
        rule="no pair", node="GlobalAveragePool_p", consequence=FLOAT,
    ),
    "no pair behind": Broken(
        file=file({"p": [("GlobalAveragePool", ["e_dq"], ["t"]), ("Erf", ["t"], ["p"])]}),
        rule="no pair", node="GlobalAveragePool_t", consequence=FLOAT,
    ),
}  # fmt: skip

FINE: dict[str, onnx.ModelProto] = {
    "good": file(),
    "without biases": file({"m": layer(bias=""), "c": [conv("x_dq", "w_dq", "", "c")]}),
    "a Gemm with one scale": file(
        {"g_dq": [("DequantizeLinear", ["g_q", "g_scale", "g_zero"], ["g_dq"])]}, **_TENSOR, h_scale=_STEP[0]
    ),
    "uint8 weights": file(v_q=(codes(8, 8, 3, 3) + np.int16(128)).astype(np.uint8), v_zero=np.full(8, 128, np.uint8)),
    "INT4 weights": file(v_q=qdq_files.INT4, v_zero=np.zeros(8, ml_dtypes.int4)),
    "16-bit Sigmoid": unary("Sigmoid", np.uint16(0), 1 / 65536),
    "16-bit Tanh": unary("Tanh", np.uint16(32768), 1 / 32768),
    "16-bit Softmax": unary("Softmax", np.uint16(0), 1 / 65536),
    "8-bit Sigmoid": unary("Sigmoid", np.uint8(0), 1 / 256),
}
