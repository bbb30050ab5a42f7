"""What keeps a layer of a Q/DQ file from OpenVINO's integer kernels, or gives other numbers there than the file says.

Measured with OpenVINO 2026.4 (CPU, float32 where it is not integer), each rule by a file that breaks it: the execution
graph says what runs in float, ONNX Runtime without optimisation what the numbers should be. Float biases, int8
activations and results in float, which ONNX Runtime does not like, cost OpenVINO nothing. Rules of layers are about
those with weights: the target leaves products of two activations in float.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.lint.openvino.faults import LAYER_FAULTS, NODE_FAULTS
from gdfq_export.lint.openvino.shared_zero_points import shared_zero_points
from gdfq_export.lint.rules import Broken, Rule, both_quantized, broken_rules, findings_at
from gdfq_export.qdq.reader.layers import QdqLayer, read_layers
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import QdqNode, code_limits, node_name, producer_of
from gdfq_export.support.finding import Consequence, Finding
from gdfq_export.targets.operator_traits import MOVES_ELEMENTS, POOLS

_MOVES = (MOVES_ELEMENTS | POOLS | {"Pad", "Relu"}) - {"GlobalMaxPool", "Split"}
"""Operators that OpenVINO moves a pair past; GlobalMaxPool and Split were not seen to let it pass."""


def openvino_findings(model: QdqModel, *, own: bool = False) -> list[Finding]:
    """Every rule that every node breaks; nothing for a file without Q/DQ.

    Args:
        model: the file's.
        own: it was written for OpenVINO by this tool, whose simulation knows where OpenVINO does not round.
    """
    if not model.pairs:
        return []
    layers = [layer for layer in read_layers(model, _MOVES) if not layer.of_activations]
    findings = broken_rules(model, _LAYER_RULES, layers)
    findings += broken_rules(model, [_activation_scale, _four_bits], model.quantize)
    findings += broken_rules(model, LAYER_FAULTS, layers)
    findings += broken_rules(model, NODE_FAULTS, model.nodes)
    if not own:
        findings += [finding for node in model.nodes for finding in _left_out(model, node)]
    return findings


def _both_quantized(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    return both_quantized(layer)


def _types(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """Codes are bytes; weights of convolutions are signed and have no zero points."""
    activation, weight = layer.activation, layer.weight
    if weight is None or activation is None:
        return
    if activation.dtype is not None and activation.dtype.bitwidth > 8:
        yield "type", Consequence.FLOAT, f"no integer kernel reads its activation of {activation.dtype.name}"
    if layer.op_type != "Conv" or weight.dtype is None:
        return
    if weight.dtype is ir.DataType.UINT8:
        yield "uint8 weights", Consequence.FLOAT, "its weight is uint8; store int8 with zero point 0"
    elif weight.dtype is not ir.DataType.INT8:
        fix = "; store INT4 and Cast it to int8" if weight.dtype.bitwidth < 8 else ""
        yield "type", Consequence.FLOAT, f"no integer kernel reads its weight of {weight.dtype.name}{fix}"
    elif weight.zero_point is not None and (wrong := weight.zero_point[weight.zero_point != 0]).size:
        message = f"a zero point of its weight is {int(wrong[0])}; quantize symmetrically"
        yield "weight zero point", Consequence.FLOAT, message


def _weight_axis(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """Scales of a weight lie along its output channels."""
    weight, axis = layer.weight, layer.output_axis
    if not layer.whole or weight is None or weight.scale is None or weight.scale.size == 1 or axis is None:
        return
    if weight.axis != axis and not weight.block:
        where = f"along axis {weight.axis}; output channels lie along {axis}"
        consequence = Consequence.FLOAT if layer.op_type == "Conv" else Consequence.WRONG
        yield "weight axis", consequence, f"its weight has {weight.scale.size} scales {where}"


def _bias_scale(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """An int32 bias is counted in steps of activation scale times weight scale, as every tool writes it."""
    if layer.bias is not None and layer.bias.dtype is ir.DataType.INT32 and (wrong := layer.wrong_bias_step()):
        yield "bias scale", Consequence.MISTAKE, str(wrong)


def _activation_scale(model: QdqModel, pair: QdqNode) -> Iterator[Broken]:
    """Activations have one scale, a positive number."""
    if pair.scale is None or model.is_constant(input_at(pair.node, 0)):
        return
    if pair.step is None:
        yield "activation scale", Consequence.FLOAT, f"an activation has {pair.scale.size} scales, not 1"
    elif not np.isfinite(pair.step) or abs(pair.step) < np.finfo(np.float32).tiny:
        yield "scale", Consequence.REFUSED, f"OpenVINO does not load a scale of {pair.step}"


def _four_bits(model: QdqModel, pair: QdqNode) -> Iterator[Broken]:
    """Activations of four bits are carried in bytes."""
    if pair.dtype is ir.DataType.INT4 and not model.is_constant(input_at(pair.node, 0)):
        yield "4-bit activations", Consequence.WRONG, "INT4 activations are misread; carry the codes in uint8"


def _left_out(model: QdqModel, node: ir.Node) -> Iterator[Finding]:
    """A pair of 8 bits between a convolution and the Add that alone reads it: OpenVINO clips there, and rounds not."""
    if node.op_type != "Add" or len(node.inputs) != 2 or any(model.is_constant(value) for value in node.inputs):
        return
    if any(maker is not None and maker.op_type == "Conv" for maker in map(producer_of, node.inputs)):
        return  # that convolution is the one that is added before anything is rounded
    pairs = (_pair_behind_convolution(model, value) for value in node.inputs)
    pair, writer, layer = next((found for found in pairs if found is not None), (None, None, None))
    if pair is not None and writer is not None and model.codes_used(pair) == code_limits(pair.dtype):
        message = f"between {layer} and Add {node_name(node)} OpenVINO mostly does not round"
        yield from findings_at(writer, [("pair before an Add", Consequence.ROUNDED, message)])


def _pair_behind_convolution(model: QdqModel, value: ir.Value | None) -> tuple[QdqNode, QdqNode, str] | None:
    """DequantizeLinear, QuantizeLinear and the name of the convolution whose result nothing but this reads."""
    pair = model.dequantized(value)
    writer = None if pair is None else model.writer(pair)
    layer = None if writer is None else producer_of(input_at(writer.node, 0))
    if pair is None or writer is None or layer is None or layer.op_type != "Conv":
        return None
    alone = all(len(list(node.outputs[0].uses())) == 1 for node in (pair.node, writer.node, layer))
    return (pair, writer, f"Conv {node_name(layer)}") if alone else None


_LAYER_RULES: tuple[Rule[QdqLayer], ...] = (_both_quantized, _types, _weight_axis, _bias_scale, shared_zero_points)
