"""One file for each rule of ONNX Runtime that breaks it, and files that break none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto

from gdfq_export.support.finding import Consequence
from tests.qdq.qdq_files import ARRAYS, INT4, PRODUCT, SPATIAL, STEP, Nodes, conv, dq, file, floats, gemm, pair

FLOAT, WRONG, REFUSED = Consequence.FLOAT, Consequence.WRONG, Consequence.REFUSED
SLOWER, ROUNDED = Consequence.SLOWER, Consequence.ROUNDED


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A file that breaks one rule at one layer; `floats` are the layers that then run in float."""

    rule: str
    consequence: Consequence
    node: str
    changes: Mapping[str, Nodes] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    floats: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    def file(self) -> onnx.ModelProto:
        return file(self.changes, **self.arrays)


def four_bits(name: str) -> dict[str, np.ndarray]:
    shape = ARRAYS[f"{name}_q"].shape
    return {
        f"{name}_q": np.ones(shape, ml_dtypes.int4),
        f"{name}_zero": np.zeros(shape[0], ml_dtypes.int4),
    }


MATMUL: Nodes = [("MatMul", ["f_dq", "g_dq"], ["y0"]), ("Add", ["y0", "bias"], ["y"])]
UP = {"v_q": (ARRAYS["v_q"].astype(int) + 128).astype(np.uint8), "v_zero": np.full(8, 128, np.uint8)}
CHANNELWISE = {"r_scale": np.linspace(0.01, 0.03, 8, dtype=np.float32), "r_zero": np.zeros(8, np.uint8)}

BROKEN = {
    "a Conv's bias of other steps": Broken(
        rule="bias scale",
        consequence=FLOAT,
        node="Conv_e",
        arrays={"d_scale": ARRAYS["d_scale"] * np.float32(1.5)},
        floats=("Conv_e",),
    ),
    "a Conv's bias of slightly other steps": Broken(
        rule="bias scale", consequence=WRONG, node="Conv_e", arrays={"d_scale": ARRAYS["d_scale"] * np.float32(1.02)}
    ),
    "a Gemm's bias of other steps": Broken(
        rule="bias scale", consequence=WRONG, node="Gemm_y", arrays={"h_scale": ARRAYS["h_scale"] * np.float32(1.5)}
    ),
    "zero point of a Conv's bias": Broken(
        rule="bias zero point",
        consequence=FLOAT,
        node="Conv_e",
        changes={"d_dq": [dq("d")]},
        arrays={"d_zero": np.full(8, 3000, np.int32)},
        floats=("Conv_e",),
    ),
    "zero point of a Gemm's bias": Broken(
        rule="bias zero point",
        consequence=WRONG,
        node="Gemm_y",
        changes={"h_dq": [dq("h")]},
        arrays={"h_zero": np.full(5, 3000, np.int32)},
    ),
    "int8 bias": Broken(
        rule="bias type",
        consequence=FLOAT,
        node="Conv_e",
        arrays={"d_q": np.arange(8, dtype=np.int8), "d_scale": np.full(8, 0.01, np.float32)},
        floats=("Conv_e",),
    ),
    "float bias of a Conv": Broken(
        rule="float bias", consequence=ROUNDED, node="Conv_e", changes={"d_dq": []}, arrays={"d_dq": floats(8)}
    ),
    "float bias of a Gemm": Broken(
        rule="float bias",
        consequence=FLOAT,
        node="Gemm_y",
        changes={"h_dq": []},
        arrays={"h_dq": floats(5)},
        floats=("Gemm_y",),
    ),
    "float constant behind a MatMul": Broken(
        rule="float bias",
        consequence=FLOAT,
        node="MatMul_y0",
        changes={"g_dq": [dq("g", axis=1)], "y": MATMUL},
        arrays={"g_q": ARRAYS["g_q"].T.copy(), "bias": floats(5)},
        floats=("MatMul_y0/MatMulAddFusion",),
    ),
    "no zero point of a Gemm's weight": Broken(
        rule="zero point omitted",
        consequence=FLOAT,
        node="Gemm_y",
        changes={"g_dq": [dq("g", "g_scale")]},
        floats=("Gemm_y",),
    ),
    "a Gemm with a factor": Broken(
        rule="factor", consequence=FLOAT, node="Gemm_y", changes={"y": [gemm(alpha=0.5)]}, floats=("Gemm_y",)
    ),
    "weights only": Broken(
        rule="half quantized",
        consequence=FLOAT,
        node="Conv_c",
        changes={"x_q": [], "x_dq": [], "c": [conv("x", "w_dq", "b_dq", "c")]},
        floats=("Conv_c",),
    ),
    "activations only": Broken(
        rule="float layer",
        consequence=FLOAT,
        node="Conv_e",
        changes={"v_dq": []},
        arrays={"v_dq": floats(8, 8, 3, 3)},
        floats=("Conv_e",),
    ),
    "a Flatten without a pair behind it": Broken(
        rule="half quantized",
        consequence=FLOAT,
        node="Gemm_y",
        changes={"f_q": [], "f_dq": [], "y": [gemm("f")]},
        floats=("Gemm_y",),
    ),
    "a layer left in float": Broken(
        rule="float layer",
        consequence=FLOAT,
        node="Gemm_y",
        changes={"f_q": [], "f_dq": [], "g_dq": [], "h_dq": [], "y": [gemm("f", "")]},
        arrays={"g_dq": floats(5, 8)},
        floats=("Gemm_y",),
    ),
    "a product of two activations, one of them in float": Broken(
        rule="half quantized",
        consequence=FLOAT,
        node="MatMul_m",
        changes={"p": PRODUCT},
        floats=("MatMul_m",),
        also=("no integer kernel", "pair missing"),
    ),
    "a ConvTranspose": Broken(
        rule="no integer kernel",
        consequence=FLOAT,
        node="ConvTranspose_e",
        changes={"v_dq": [dq("v", axis=1)], "e": [("ConvTranspose", ["r_dq", "v_dq", "d_dq"], ["e"], SPATIAL)]},
        floats=("ConvTranspose_e",),
    ),
    "a ConvTranspose whose weights are in float": Broken(
        rule="no integer kernel",
        consequence=FLOAT,
        node="ConvTranspose_e",
        changes={"v_dq": [], "e": [("ConvTranspose", ["r_dq", "v_dq"], ["e"], SPATIAL)]},
        arrays={"v_dq": ARRAYS["v_q"] * STEP},
        floats=("ConvTranspose_e",),
    ),
    "int16 activation": Broken(
        rule="type",
        consequence=FLOAT,
        node="Conv_e",
        arrays={"e_zero": np.asarray(0, np.int16)},
        floats=("Conv_e",),
    ),
    "INT4 weights without a Cast": Broken(
        rule="type", consequence=FLOAT, node="Conv_e", arrays=four_bits("v"), floats=("Conv_e",)
    ),
    "uint8 weights": Broken(rule="uint8 weights", consequence=SLOWER, node="Conv_e", arrays=UP),
    "an activation of many scales": Broken(
        rule="activation scale",
        consequence=FLOAT,
        node="Conv_e",
        changes={"r_q": [pair("r", axis=1)[0]], "r_dq": [pair("r", axis=1)[1]]},
        arrays=CHANNELWISE,
        floats=("Conv_c", "Conv_e"),
    ),
    "a Gemm's scales along its inputs": Broken(
        rule="weight axis",
        consequence=FLOAT,
        node="Gemm_y",
        changes={"g_dq": [dq("g", axis=1)], "h_dq": [], "y": [gemm(bias="")]},
        arrays={"g_scale": np.linspace(0.001, 0.004, 8, dtype=np.float32), "g_zero": np.zeros(8, np.int8)},
        floats=("Gemm_y",),
    ),
    "a result in float": Broken(
        rule="result in float",
        consequence=FLOAT,
        node="Conv_e",
        changes={"e_q": [], "e_dq": [], "p": [("GlobalAveragePool", ["e"], ["p"])]},
        floats=("Conv_e",),
        also=("pair missing",),
    ),
    "a Relu quantized from below 0": Broken(
        rule="activation kept",
        consequence=FLOAT,
        node="Conv_c",
        arrays={"r_zero": np.asarray(10, np.uint8)},
        floats=("Conv_c",),
    ),
    "a Clip inside the codes": Broken(
        rule="activation kept",
        consequence=FLOAT,
        node="Conv_c",
        changes={"r": [("Clip", ["c", "low", "high"], ["r"])]},
        arrays={"low": np.asarray(0, np.float32), "high": np.asarray(3, np.float32)},
        floats=("Conv_c",),
    ),
}
CAST: Nodes = [("Cast", ["v_4"], ["v_q"], {"to": TensorProto.INT8}), dq("v")]
FINE = {
    "the good file": file(),
    "a weight's zero point left out": file({"v_dq": [dq("v", "v_scale")]}),
    "INT4 weights behind a Cast": file({"v_dq": CAST}, v_4=INT4),
    "no biases": file({"d_dq": [], "e": [conv("r_dq", "v_dq", "", "e")], "h_dq": [], "y": [gemm(bias="")]}),
    "a bias's zero point that is 0": file({"d_dq": [dq("d")]}, d_zero=np.zeros(8, np.int32)),
    "a bias whose scale is computed": file({"d_dq": [("Mul", ["r_scale", "v_scale"], ["d_step"]), dq("d", "d_step")]}),
    "codes clipped to 4 bits": file(
        {
            "r_q": [
                ("QuantizeLinear", ["r", "r_scale", "r_zero"], ["r_wide"]),
                ("Clip", ["r_wide", "low", "high"], ["r_q"]),
            ]
        },
        low=np.asarray(0, np.uint8),
        high=np.asarray(15, np.uint8),
    ),
    "a Clip outside the codes": file(
        {"r": [("Clip", ["c", "low", "high"], ["r"])]},
        low=np.asarray(0, np.float32),
        high=np.asarray(6, np.float32),
    ),
    "MaxPool without a pair behind it": file(
        {"e": [("MaxPool", ["r_dq"], ["m"], {"kernel_shape": [2, 2]}), conv("m", "v_dq", "d_dq", "e")]}
    ),
    "MaxPool in front of the pair": file(
        {
            "r": [("Relu", ["c"], ["r0"]), ("MaxPool", ["r0"], ["r"], {"kernel_shape": [2, 2]})],
        }
    ),
    "quantized logits": file(
        {
            "y": [
                ("Gemm", ["f_dq", "g_dq"], ["l"], {"transB": 1}),
                ("QuantizeLinear", ["l", "e_scale", "e_zero"], ["l_q"]),
                ("DequantizeLinear", ["l_q", "e_scale", "e_zero"], ["y"]),
            ]
        }
    ),
}
