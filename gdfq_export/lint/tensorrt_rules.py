"""What TensorRT refuses, misreads or runs in float, found in the ONNX file alone: no TensorRT is needed.

The rules are those of its ONNX parser and builder (measured with TensorRT-RTX 1.7, whose parser TensorRT 10 and 11
share) and of NVIDIA's guide to explicit quantization. Rules of layers are about those with weights: products of two
activations are not measured, and the target leaves them in float.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.lint.rules import FLOAT_WEIGHT, Broken, Rule, broken_rules, newer_opset
from gdfq_export.qdq.reader.layers import QdqLayer, read_layers
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import QdqNode, node_name, producer_of, stored_array
from gdfq_export.support.finding import Consequence, Finding
from gdfq_export.targets.operator_traits import KEEPS_ALL_ELEMENTS, LAYERS

_MOST_OPSET = 25
_LAYERS = LAYERS - {"ConvTranspose"}  # not measured
_COMMUTING = (KEEPS_ALL_ELEMENTS | {"MaxPool"}) - {"Dropout", "Identity", "Squeeze", "Unsqueeze"}
"""Layers that NVIDIA's guide says a pair commutes with, under their ONNX names."""
_POOLS = ("AveragePool", "GlobalAveragePool")
_FOUR_BITS = (ir.DataType.INT4, ir.DataType.UINT4)
_FINE = (ir.DataType.INT8, ir.DataType.UINT8, ir.DataType.INT4, ir.DataType.FLOAT8E4M3FN, ir.DataType.FLOAT4E2M1)


def tensorrt_findings(file: onnx.ModelProto | QdqModel) -> list[Finding]:
    """Every rule that every node breaks, in the order of the rules and of the graph; empty for a good file.

    Raises:
        InputError: the graph is not one that ONNX allows.
    """
    model = QdqModel.of(file)
    read = read_layers(model, _COMMUTING)
    layers = [layer for layer in read if layer.op_type in _LAYERS and not layer.of_activations]
    return [
        *newer_opset(model, _MOST_OPSET, f"the {_MOST_OPSET} of TensorRT 11", 20),
        *broken_rules(model, _PAIR_RULES, model.pairs),
        *broken_rules(model, _LAYER_RULES, layers),
        *broken_rules(model, [_before_a_relu], model.nodes),
    ]


def _zero_point(model: QdqModel, pair: QdqNode) -> Iterator[Broken]:
    """Zero points are there, of type int8, and 0."""
    values = stored_array(input_at(pair.node, 2))
    if pair.omits_zero_point:
        if pair.dtype in (None, ir.DataType.UINT8):
            message = "no zero point: TensorRT reads int8 codes where ONNX means uint8; give an int8 zero point of 0"
            yield "zero point omitted", Consequence.WRONG, message
    elif values is None:
        yield "zero point", Consequence.REFUSED, "the zero point is computed; make it an initializer"
    elif (first := values.reshape(-1)[np.flatnonzero(values.astype(np.float64))[:1]]).size:
        message = f"its zero point is {first[0]}; TensorRT takes 0 only: quantize symmetrically"
        yield "zero point", Consequence.REFUSED, message
    elif pair.dtype is ir.DataType.UINT8:
        message = "uint8 codes are read as int8, so that all above 127 are wrong; store int8 with zero point 0"
        weight = model.is_constant(input_at(pair.node, 0))
        yield "uint8", Consequence.REFUSED if weight else Consequence.WRONG, message


def _types(model: QdqModel, pair: QdqNode) -> Iterator[Broken]:
    """Codes are int8; four bits only as weights of Gemm and MatMul whose activations are float."""
    value = input_at(pair.node, 0)
    maker = producer_of(value)
    if pair.dtype is ir.DataType.INT32:
        yield "bias", Consequence.REFUSED, "it dequantizes int32; leave biases in float"
    elif pair.dtype in _FOUR_BITS and not model.is_constant(value):
        message = "no kernel reads 4-bit activations; carry them in int8, with a Clip in front of QuantizeLinear"
        yield "4-bit activations", Consequence.REFUSED, message
    elif pair.dtype is not None and pair.dtype not in _FINE:
        yield "type", Consequence.REFUSED, f"codes of type {pair.dtype} are not known; store int8"
    elif maker is not None and maker.op_type == "Cast":
        yield "cast", Consequence.REFUSED, "its codes come from a Cast; store the codes as int8"


def _scale(model: QdqModel, pair: QdqNode) -> Iterator[Broken]:
    """Scales are positive constants, one for an activation."""
    value = input_at(pair.node, 1)
    values = stored_array(value)
    if values is None:
        if not model.is_constant(value) and pair.dtype is not ir.DataType.INT32:  # a bias has its own rule
            yield "scale", Consequence.REFUSED, "its scale is computed; make it an initializer"
    elif not (values > 0).all():
        yield "scale", Consequence.REFUSED, "a scale is not above 0; give dead channels a small positive one"
    elif values.size > 1 and not model.is_constant(input_at(pair.node, 0)):
        message = f"an activation has {values.size} scales; convolutions run in float unless there is one a tensor"
        yield "activation scale", Consequence.FLOAT, message


def _both_or_neither(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """A layer's activations and weights are both quantized, or neither is; no convolution multiplies four bits."""
    activation, weight = layer.activation, layer.weight
    if activation is None and weight is None:
        return
    four = weight is not None and weight.dtype in _FOUR_BITS
    if layer.op_type == "Conv" and four and activation is not None:
        message = "no convolution has INT4 weights beside INT8 activations; store the codes as int8"
        yield "4-bit convolution", Consequence.REFUSED, message
    elif weight is None:
        rule, message = (
            ("half quantized", "its first activation is quantized, its second is not")
            if (layer.of_activations)
            else ("float layer", FLOAT_WEIGHT)
        )
        yield rule, Consequence.FLOAT, message
    elif activation is None and (layer.op_type == "Conv" or not four):
        yield "half quantized", Consequence.FLOAT, "its weights are quantized, its activations are not"


def _behind_a_pool(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """The pair stands behind an AveragePool, at the input of the convolution."""
    pool = producer_of(input_at(layer.node, 0))
    if pool is not None and pool.op_type in _POOLS and model.dequantized(input_at(pool, 0), _COMMUTING) is not None:
        message = f"{pool.op_type} {node_name(pool)} stands between its Q/DQ pair and it; put a pair behind the pool"
        yield "average pool", Consequence.FLOAT, message


def _before_a_relu(model: QdqModel, node: ir.Node) -> Iterator[Broken]:
    """No pair between a convolution and its Relu."""
    if node.op_type not in ("Relu", "Clip"):
        return
    pair = model.dequantized(input_at(node, 0), _COMMUTING)
    quantize = None if pair is None else producer_of(pair.codes)
    layer = None if quantize is None else producer_of(input_at(quantize, 0))
    if layer is not None and layer.op_type in _LAYERS:
        between = f"a Q/DQ pair stands between {layer.op_type} {node_name(layer)} and it"
        yield "pair before an activation", Consequence.SLOWER, f"{between}; put it behind the {node.op_type}"


_PAIR_RULES: tuple[Rule[QdqNode], ...] = (_zero_point, _types, _scale)
_LAYER_RULES: tuple[Rule[QdqLayer], ...] = (_both_or_neither, _behind_a_pool)
