"""What TensorRT refuses, misreads or runs in float, found in the ONNX file alone: no TensorRT is needed.

The rules are those of its ONNX parser and builder (measured with TensorRT-RTX 1.7, whose parser TensorRT 10 and 11
share) and of NVIDIA's guide to explicit quantization.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import onnx
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.qdq.reader.nodes import (
    codes_dtype,
    dequantized,
    finding_at,
    is_constant,
    is_qdq,
    node_name,
    producer_of,
    stored_array,
)
from gdfq_export.support.finding import Consequence, Finding
from gdfq_export.targets.operator_traits import KEEPS_ALL_ELEMENTS, LAYERS

__all__ = ["lint"]

_MOST_OPSET = 25
_LAYERS = LAYERS - {"ConvTranspose"}  # not measured
_COMMUTING = (KEEPS_ALL_ELEMENTS | {"MaxPool"}) - {"Dropout", "Identity", "Squeeze", "Unsqueeze"}
"""Layers that NVIDIA's guide says a pair commutes with, under their ONNX names."""
_POOLS = ("AveragePool", "GlobalAveragePool")
_FOUR_BITS = (ir.DataType.INT4, ir.DataType.UINT4)
_FINE = (ir.DataType.INT8, ir.DataType.UINT8, ir.DataType.INT4, ir.DataType.FLOAT8E4M3FN, ir.DataType.FLOAT4E2M1)


def lint(model: onnx.ModelProto) -> list[Finding]:
    """Every rule that every node breaks, in the order of the rules and of the graph; empty for a good file."""
    graph = ir.from_proto(model).graph
    findings = list(_opset(model))
    for rule in _RULES:
        findings.extend(finding for node in graph for finding in rule(node))
    return findings


def _opset(model: onnx.ModelProto) -> Iterator[Finding]:
    """The opset is one that the parser knows, and one at which other runtimes read int8 activations."""
    version = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if version > _MOST_OPSET:
        yield Finding(
            rule="opset",
            node="the file",
            consequence=Consequence.REFUSED,
            message=f"opset {version} is newer than the {_MOST_OPSET} of TensorRT 11; write opset 20",
        )


def _zero_point(node: ir.Node) -> Iterator[Finding]:
    """Zero points are there, of type int8, and 0."""
    if not is_qdq(node):
        return
    zero_point = input_at(node, 2)
    if zero_point is None:
        if codes_dtype(node) in (None, ir.DataType.UINT8):
            yield finding_at(
                node,
                "zero point omitted",
                Consequence.WRONG,
                "no zero point: TensorRT reads int8 codes where ONNX means uint8; give an int8 zero point of 0",
            )
        return
    values = stored_array(zero_point)
    if values is None:
        yield finding_at(node, "zero point", Consequence.REFUSED, "the zero point is computed; make it an initializer")
    elif values.astype(np.float64).any():
        first = values.reshape(-1)[np.flatnonzero(values.astype(np.float64))[0]]
        yield finding_at(
            node,
            "zero point",
            Consequence.REFUSED,
            f"its zero point is {first}; TensorRT takes 0 only: quantize symmetrically",
        )
    elif zero_point.dtype is ir.DataType.UINT8:
        yield finding_at(
            node,
            "uint8",
            Consequence.REFUSED if _is_weight(node) else Consequence.WRONG,
            "uint8 codes are read as int8, so that all above 127 are wrong; store int8 with zero point 0",
        )


def _types(node: ir.Node) -> Iterator[Finding]:
    """Codes are int8; four bits only as weights of Gemm and MatMul whose activations are float."""
    if not is_qdq(node):
        return
    dtype = codes_dtype(node)
    if dtype is ir.DataType.INT32:
        yield finding_at(node, "bias", Consequence.REFUSED, "it dequantizes int32; leave biases in float")
    elif dtype in _FOUR_BITS and not is_constant(input_at(node, 0)):
        yield finding_at(
            node,
            "4-bit activations",
            Consequence.REFUSED,
            "no kernel reads 4-bit activations; carry them in int8, with a Clip in front of QuantizeLinear",
        )
    elif dtype is not None and dtype not in _FINE:
        yield finding_at(node, "type", Consequence.REFUSED, f"codes of type {dtype} are not known; store int8")
    elif (cast := producer_of(input_at(node, 0))) is not None and cast.op_type == "Cast":
        yield finding_at(node, "cast", Consequence.REFUSED, "its codes come from a Cast; store the codes as int8")


def _scale(node: ir.Node) -> Iterator[Finding]:
    """Scales are positive constants, one for an activation."""
    if not is_qdq(node):
        return
    values = stored_array(input_at(node, 1))
    if values is None:
        folded = is_constant(input_at(node, 1))
        if not folded and codes_dtype(node) is not ir.DataType.INT32:  # a bias has its own rule
            yield finding_at(node, "scale", Consequence.REFUSED, "its scale is computed; make it an initializer")
    elif not (values > 0).all():
        yield finding_at(
            node, "scale", Consequence.REFUSED, "a scale is not above 0; give dead channels a small positive one"
        )
    elif values.size > 1 and not _is_weight(node):
        yield finding_at(
            node,
            "activation scale",
            Consequence.FLOAT,
            f"an activation has {values.size} scales; convolutions run in float unless there is one a tensor",
        )


def _both_or_neither(node: ir.Node) -> Iterator[Finding]:
    """A layer's activations and weights are both quantized, or neither is; no convolution multiplies four bits."""
    if node.op_type not in _LAYERS or len(node.inputs) < 2:
        return
    activation, weight = (dequantized(input_at(node, index), _COMMUTING) for index in (0, 1))
    if activation is None and weight is None:
        return
    four = weight is not None and codes_dtype(weight) in _FOUR_BITS
    if node.op_type == "Conv" and four and activation is not None:
        yield finding_at(
            node,
            "4-bit convolution",
            Consequence.REFUSED,
            "no convolution has INT4 weights beside INT8 activations; store the codes as int8",
        )
    elif weight is None:
        yield finding_at(
            node, "half quantized", Consequence.FLOAT, "its activations are quantized, its weights are not"
        )
    elif activation is None and (node.op_type == "Conv" or not four):
        yield finding_at(
            node, "half quantized", Consequence.FLOAT, "its weights are quantized, its activations are not"
        )


def _behind_a_pool(node: ir.Node) -> Iterator[Finding]:
    """The pair stands behind an AveragePool, at the input of the convolution."""
    value = input_at(node, 0)
    pool = value.producer() if value is not None and node.op_type in _LAYERS else None
    if pool is not None and pool.op_type in _POOLS and dequantized(input_at(pool, 0), _COMMUTING) is not None:
        yield finding_at(
            node,
            "average pool",
            Consequence.FLOAT,
            f"{pool.op_type} {node_name(pool)} stands between its Q/DQ pair and it; put a pair behind the pool",
        )


def _before_a_relu(node: ir.Node) -> Iterator[Finding]:
    """No pair between a convolution and its Relu."""
    if node.op_type not in ("Relu", "Clip"):
        return
    dequantize = dequantized(input_at(node, 0), _COMMUTING)
    quantize = None if dequantize is None else producer_of(input_at(dequantize, 0))
    layer = None if quantize is None else producer_of(input_at(quantize, 0))
    if layer is not None and layer.op_type in _LAYERS:
        yield finding_at(
            node,
            "pair before an activation",
            Consequence.SLOWER,
            f"a Q/DQ pair stands between {layer.op_type} {node_name(layer)} and it; put it behind the {node.op_type}",
        )


_RULES: tuple[Callable[[ir.Node], Iterator[Finding]], ...] = (
    _zero_point,
    _types,
    _scale,
    _both_or_neither,
    _behind_a_pool,
    _before_a_relu,
)


def _is_weight(node: ir.Node) -> bool:
    return is_constant(input_at(node, 0))
