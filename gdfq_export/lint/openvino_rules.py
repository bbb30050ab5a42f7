"""What keeps a layer of a Q/DQ file from OpenVINO's integer kernels, or gives other numbers there than the file says.

Measured with OpenVINO 2026.4 (CPU, float32 where it is not integer), each rule by a file that breaks it: the execution
graph says what runs in float, ONNX Runtime without optimisation what the numbers should be. Float biases, int8
activations and results in float, which ONNX Runtime does not like, cost OpenVINO nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.lint.finding_at import finding_at
from gdfq_export.lint.layer_rules import both_quantized, runs_in_float
from gdfq_export.qdq.reader.layers import QdqLayer, read_layers
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import QdqNode, code_limits, node_name, producer_of
from gdfq_export.support.finding import Consequence, Finding
from gdfq_export.targets.operator_traits import MOVES_ELEMENTS, POOLS

_MOVES = (MOVES_ELEMENTS | POOLS | {"Pad", "Relu"}) - {"GlobalMaxPool", "Split"}
"""Operators that OpenVINO moves a pair past; GlobalMaxPool and Split were not seen to let it pass."""
_KEEPS_CODES = MOVES_ELEMENTS - {"Dropout", "Flatten", "Split"}
"""Those behind which the codes of an AveragePool or Pad were seen."""


def openvino_findings(model: QdqModel, *, own: bool = False) -> list[Finding]:
    """Every rule that every node breaks; nothing for a file without Q/DQ.

    Args:
        model: the file's.
        own: it was written for OpenVINO by this tool, whose simulation knows where OpenVINO does not round.
    """
    if not model.quantize and not model.dequantize:
        return []
    layers = read_layers(model, _MOVES)
    findings = [finding for rule in _LAYER_RULES for layer in layers for finding in rule(layer)]
    for pair in model.quantize:
        findings.extend(_activation_scale(model, pair))
        findings.extend(_four_bits(model, pair))
    findings.extend(finding for node in model.nodes for finding in _padded(model, node))
    if not own:
        findings.extend(finding for node in model.nodes for finding in _left_out(model, node))
    return findings


def _types(layer: QdqLayer) -> Iterator[Finding]:
    """Codes are bytes; weights of convolutions are signed and have no zero points."""
    if not layer.whole or layer.weight is None or layer.activation is None:
        return
    if layer.activation.dtype is not None and layer.activation.dtype.bitwidth > 8:
        yield runs_in_float(layer, "type", f"no integer kernel reads its activation of {layer.activation.dtype.name}")
    if layer.op_type != "Conv" or layer.weight.dtype is None:
        return
    if layer.weight.dtype is ir.DataType.UINT8:
        yield runs_in_float(layer, "uint8 weights", "its weight is uint8; store int8 with zero point 0")
    elif layer.weight.dtype is not ir.DataType.INT8:
        fix = "; store INT4 and Cast it to int8" if layer.weight.dtype.bitwidth < 8 else ""
        yield runs_in_float(layer, "type", f"no integer kernel reads its weight of {layer.weight.dtype.name}{fix}")
    elif layer.weight.zero_point is not None and np.any(layer.weight.zero_point):
        first = int(layer.weight.zero_point.reshape(-1)[np.flatnonzero(layer.weight.zero_point)[0]])
        yield runs_in_float(
            layer, "weight zero point", f"a zero point of its weight is {first}; quantize symmetrically"
        )


def _weight_axis(layer: QdqLayer) -> Iterator[Finding]:
    """Scales of a weight lie along its output channels."""
    weight, axis = layer.weight, layer.output_axis
    if not layer.whole or weight is None or weight.scale is None or weight.scale.size == 1 or axis is None:
        return
    if weight.axis != axis and not weight.block:
        consequence = Consequence.FLOAT if layer.op_type == "Conv" else Consequence.WRONG
        message = (
            f"its weight has {weight.scale.size} scales along axis {weight.axis}; output channels lie along {axis}"
        )
        yield finding_at(layer.node, "weight axis", consequence, message)


def _bias_scale(layer: QdqLayer) -> Iterator[Finding]:
    """An int32 bias is counted in steps of activation scale times weight scale, as every tool writes it."""
    if layer.bias is not None and layer.bias.dtype is ir.DataType.INT32 and (wrong := layer.wrong_bias_step()):
        yield finding_at(layer.node, "bias scale", Consequence.MISTAKE, str(wrong))


def _activation_scale(model: QdqModel, pair: QdqNode) -> Iterator[Finding]:
    """Activations have one scale, a positive number."""
    if pair.scale is None or model.is_constant(input_at(pair.node, 0)):
        return
    if pair.scale.size > 1:
        yield finding_at(
            pair.node, "activation scale", Consequence.FLOAT, f"an activation has {pair.scale.size} scales, not 1"
        )
    elif not np.isfinite(pair.scale).all() or (np.abs(pair.scale) < np.finfo(np.float32).tiny).any():
        yield finding_at(
            pair.node,
            "scale",
            Consequence.REFUSED,
            f"OpenVINO does not load a scale of {float(pair.scale.reshape(-1)[0])}",
        )


def _four_bits(model: QdqModel, pair: QdqNode) -> Iterator[Finding]:
    """Activations of four bits are carried in bytes."""
    if pair.dtype is ir.DataType.INT4 and not model.is_constant(input_at(pair.node, 0)):
        yield finding_at(
            pair.node, "4-bit activations", Consequence.WRONG, "INT4 activations are misread; carry the codes in uint8"
        )


def _padded(model: QdqModel, node: ir.Node) -> Iterator[Finding]:
    """What is padded with 0 has zero point 0: OpenVINO pads with the code 0, whatever that stands for."""
    if node.op_type == "AveragePool":
        counted = node.attributes.get_int("count_include_pad", None) == 1
        applies, fix = counted and any(node.attributes.get_ints("pads", ())), "leave count_include_pad out"
    else:
        quantized = any(user.op_type == "QuantizeLinear" for user, _ in node.outputs[0].uses())
        applies = node.op_type == "Pad" and quantized and _pads_channels(model, node)
        fix = "pad behind QuantizeLinear, with the code of 0"
    pair = model.dequantized(input_at(node, 0), _KEEPS_CODES) if applies else None
    if pair is None or pair.scale is None or pair.zero_point is None or pair.scale.size != 1:
        return
    if zero := int(pair.zero_point.reshape(-1)[0]):
        yield finding_at(
            node,
            "padding",
            Consequence.WRONG,
            f"OpenVINO pads with the code 0, which stands for {-zero * float(pair.scale.reshape(-1)[0]):.6g}: quantize "
            f"what it reads with zero point 0, or {fix}",
        )


def _pads_channels(model: QdqModel, node: ir.Node) -> bool:
    """Whether a Pad adds to anything but rows and columns."""
    stored, axes = (model.numbers(input_at(node, index)) for index in (1, 3))
    amounts = list(node.attributes.get_ints("pads", ())) if stored is None else stored.reshape(-1).tolist()
    half = len(amounts) // 2
    named = range(half) if axes is None else axes.reshape(-1).tolist()
    return any(
        before or after
        for axis, before, after in zip(named, amounts[:half], amounts[half:], strict=True)
        if axis in (0, 1, -3, -4)
    )


def _left_out(model: QdqModel, node: ir.Node) -> Iterator[Finding]:
    """A pair of 8 bits between a convolution and the Add that alone reads it: OpenVINO clips there, and rounds not."""
    if node.op_type != "Add":
        return
    pairs = [_pair_behind_convolution(model, value) for value in node.inputs]
    first = next((pair for pair in pairs if pair is not None), None)
    if any(maker is not None and maker.op_type == "Conv" for maker in map(producer_of, node.inputs)):
        return  # that convolution is the one that is added before anything is rounded
    if first is None or len(node.inputs) != 2 or any(model.is_constant(value) for value in node.inputs):
        return
    if model.codes_used(first) == code_limits(first.dtype):
        writer = model.writer(first)
        assert writer is not None
        layer = producer_of(input_at(writer.node, 0))
        assert layer is not None
        yield finding_at(
            writer.node,
            "pair before an Add",
            Consequence.ROUNDED,
            f"between Conv {node_name(layer)} and Add {node_name(node)} OpenVINO mostly does not round",
        )


def _pair_behind_convolution(model: QdqModel, value: ir.Value | None) -> QdqNode | None:
    """The DequantizeLinear of a convolution's result that nothing but this reads."""
    pair = model.dequantized(value)
    writer = None if pair is None else model.writer(pair)
    layer = None if writer is None else producer_of(input_at(writer.node, 0))
    if pair is None or writer is None or layer is None or layer.op_type != "Conv":
        return None
    alone = all(len(list(node.outputs[0].uses())) == 1 for node in (pair.node, writer.node, layer))
    return pair if alone else None


_LAYER_RULES: tuple[Callable[[QdqLayer], Iterator[Finding]], ...] = (both_quantized, _types, _weight_axis, _bias_scale)
