"""One integer kernel as a model: DequantizeLinear -> operator -> QuantizeLinear, which ONNX Runtime fuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from gdfq_export.simulator.codes import CodedTensor
from gdfq_export.support.quant_params import QuantParams

SHAPE = (2, 4, 7, 5)


def grid(scale: float, zero_point: int, *, bits: int = 8) -> QuantParams:
    return QuantParams(
        scale=np.float32(scale),
        zero_point=zero_point,
        dtype=np.dtype(np.uint8),
        code_range=(0, 2**bits - 1),
    )


def coded(where: QuantParams, seed: int, shape: tuple[int, ...] = SHAPE) -> CodedTensor:
    codes = np.random.default_rng(seed).integers(where.code_range[0], where.code_range[1] + 1, shape)
    return CodedTensor(codes=torch.from_numpy(codes.astype(np.int32)), grid=where)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelModel:
    """Bytes of an ONNX file with the one output `q`, and what it is fed with."""

    model: bytes
    feeds: dict[str, np.ndarray]


def runtime(
    op_type: str,
    parts: list[CodedTensor],
    result: QuantParams,
    constants: list[np.ndarray] | None = None,
    **attributes: Any,
) -> np.ndarray:
    """Codes that ONNX Runtime gives here; arguments are those of `kernel_model`."""
    kernel = kernel_model(op_type, parts, result, constants, **attributes)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(kernel.model, options, providers=["CPUExecutionProvider"])
    return session.run(None, kernel.feeds)[0]


def kernel_model(
    op_type: str,
    parts: list[CodedTensor],
    result: QuantParams,
    constants: list[np.ndarray] | None = None,
    **attributes: Any,
) -> KernelModel:
    """The model of one operator on `parts` and constants.

    `constants` are int8 weights with their scales, then int32 biases, each dequantized as the writer does it.
    """
    nodes, initializers, names = [], [], []

    def constant(name: str, array: np.ndarray) -> str:
        initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def pair(name: str, where: QuantParams) -> list[str]:
        return [constant(f"{name}_s", where.scale), constant(f"{name}_z", np.uint8(where.zero_point))]

    for index, part in enumerate(parts):
        nodes.append(helper.make_node("DequantizeLinear", [f"q{index}", *pair(f"q{index}", part.grid)], [f"x{index}"]))
        names.append(f"x{index}")
    if constants:
        weight, scale, bias = constants
        zeros = constant("w_z", np.zeros(len(scale), np.int8))
        inputs = [constant("w_q", weight), constant("w_s", scale), zeros]
        nodes.append(helper.make_node("DequantizeLinear", inputs, ["w"], axis=0))
        inputs = [constant("b_q", bias), constant("b_s", parts[0].grid.scale * scale)]
        nodes.append(helper.make_node("DequantizeLinear", inputs, ["b"], axis=0))
        names += ["w", "b"]
    nodes.append(helper.make_node(op_type, names, ["y"], **attributes))
    nodes.append(helper.make_node("QuantizeLinear", ["y", *pair("y", result)], ["q"]))
    graph = helper.make_graph(
        nodes,
        "kernel",
        [
            helper.make_tensor_value_info(f"q{index}", TensorProto.UINT8, list(part.codes.shape))
            for index, part in enumerate(parts)
        ],
        [helper.make_tensor_value_info("q", TensorProto.UINT8, None)],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    feeds = {f"q{index}": part.codes.numpy().astype(np.uint8) for index, part in enumerate(parts)}
    return KernelModel(model=model.SerializeToString(), feeds=feeds)
