"""What keeps a layer of a Q/DQ file from ONNX Runtime's integer kernels on x86, or makes it slow or wrong there.

Measured with ONNX Runtime 1.32 (CPU, x86-64 with VNNI), each rule by a file that breaks it: the optimised graph says
what runs in float, the same file without Q/DQ optimisation (`session.disable_quant_qdq`) what the numbers should be.
The edges between layers are in `onnxruntime_float_islands.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.lint.accumulator_overflow import overflows, saturates
from gdfq_export.lint.finding_at import finding_at
from gdfq_export.lint.layer_rules import both_quantized, runs_in_float
from gdfq_export.lint.onnxruntime_float_islands import island_findings
from gdfq_export.lint.onnxruntime_fusion import MOVES, QuantizedResult, result_of
from gdfq_export.qdq.reader.layers import QdqLayer, read_layers
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import QdqNode, node_name, producer_of
from gdfq_export.support.finding import Consequence, Finding
from gdfq_export.targets import Target

_MOST_OPSET = 27  # 28: "Could not find an implementation for QuantizeLinear(28)"
_BYTES = (ir.DataType.UINT8, ir.DataType.INT8)
_FUSED_ANYWAY = 0.04  # ONNX Runtime ignores a bias scale that is off by 3 %, and sees one that is off by 5 %


def onnxruntime_findings(model: QdqModel, target: Target) -> list[Finding]:
    """Every rule that every node breaks; nothing for a file without Q/DQ."""
    if not model.quantize and not model.dequantize:
        return []
    findings = list(_opset(model.opset))
    layers = read_layers(model, MOVES)
    for rule in _LAYER_RULES:
        findings.extend(finding for layer in layers for finding in rule(model, layer))
    if target.weight.most_bits < 8:
        findings.extend(finding for layer in layers for finding in saturates(model, layer))
    for pair in model.quantize:
        findings.extend(_signed(model, pair))
    return findings + island_findings(model)


def _opset(version: int) -> Iterator[Finding]:
    if version > _MOST_OPSET:
        yield Finding(
            rule="opset",
            node="the file",
            consequence=Consequence.REFUSED,
            message=f"opset {version} is newer than ONNX Runtime's kernels of QuantizeLinear; write opset 21",
        )


def _both_quantized(model: QdqModel, layer: QdqLayer) -> Iterator[Finding]:
    """A layer's activation and weight both come from a DequantizeLinear."""
    maker, between = producer_of(input_at(layer.node, 0)), ""
    if maker is not None and maker.op_type != "DequantizeLinear" and model.dequantized(input_at(maker, 0), MOVES):
        between = f"{maker.op_type} {node_name(maker)} stands between its Q/DQ pair and it; put a pair behind that"
    yield from both_quantized(layer, between)


def _types(model: QdqModel, layer: QdqLayer) -> Iterator[Finding]:
    """Codes are bytes; weights are signed ones."""
    if not layer.whole:
        return
    written = None if layer.op_type != "Conv" else result_of(model, layer.node).writer
    for name, pair in (("activation", layer.activation), ("weight", layer.weight), ("result", written)):
        if pair is not None and pair.dtype is not None and pair.dtype not in _BYTES:
            fix = "; store INT4 and Cast it to int8" if name == "weight" and pair.dtype.bitwidth < 8 else ""
            yield runs_in_float(layer, "type", f"no integer kernel has {name}s of {pair.dtype.name}{fix}")
    if layer.weight is not None and layer.weight.dtype is ir.DataType.UINT8 and model.is_constant(layer.weight.codes):
        yield finding_at(
            layer.node, "uint8 weights", Consequence.SLOWER, "its weight is uint8, a third of the speed of int8"
        )


def _one_activation_scale(model: QdqModel, layer: QdqLayer) -> Iterator[Finding]:
    """An activation has one scale."""
    written = None if layer.op_type != "Conv" else result_of(model, layer.node).writer
    for what, pair in (("reads", layer.activation), ("writes", written)):
        if layer.whole and pair is not None and pair.scale is not None and pair.scale.size > 1:
            yield runs_in_float(
                layer, "activation scale", f"the activation that it {what} has {pair.scale.size} scales, not 1"
            )


def _weight_axis(model: QdqModel, layer: QdqLayer) -> Iterator[Finding]:
    """Scales of a weight lie along its output channels."""
    weight, axis = layer.weight, layer.output_axis
    if not layer.whole or weight is None or weight.scale is None or weight.scale.size == 1 or axis is None:
        return
    if weight.axis != axis or weight.block:
        consequence = Consequence.REFUSED if layer.op_type == "MatMul" else Consequence.FLOAT
        where = f"in blocks of {weight.block}" if weight.block else f"along axis {weight.axis}"
        message = f"its weight has {weight.scale.size} scales {where}; output channels lie along axis {axis}"
        yield finding_at(layer.node, "weight axis", consequence, message)


def _gemm(model: QdqModel, layer: QdqLayer) -> Iterator[Finding]:
    """What QGemm asks for beyond a convolution: a zero point, a quantized bias, no factors."""
    if layer.op_type != "Gemm" or not layer.whole:
        return
    if layer.weight is not None and layer.weight.omits_zero_point:
        yield runs_in_float(layer, "zero point omitted", "the zero point of its weight is left out; give zeros")
    for factor in ("alpha", "beta"):
        if (value := layer.node.attributes.get_float(factor, 1.0)) != 1 and (factor == "alpha" or layer.has_bias):
            yield runs_in_float(layer, "factor", f"its {factor} is {value:g}; put it into the scales")


def _bias(model: QdqModel, layer: QdqLayer) -> Iterator[Finding]:
    """A bias is int32 in steps of activation scale times weight scale, its zero point 0."""
    if not layer.whole or not layer.has_bias:
        return
    gemm = layer.op_type == "Gemm"
    if layer.bias is None:
        if gemm:
            yield runs_in_float(layer, "float bias", "its bias is not quantized; store int32 in steps of s_x * s_w")
        elif model.is_constant(input_at(layer.node, 2)):
            said = "its float bias is rounded to multiples of s_x * s_w when the file is loaded"
            yield finding_at(layer.node, "float bias", Consequence.ROUNDED, said)
        return
    if layer.bias.dtype is not ir.DataType.INT32:
        said = "unknown" if layer.bias.dtype is None else layer.bias.dtype.name
        yield runs_in_float(layer, "bias type", f"its bias is {said}; store int32 in steps of s_x * s_w")
        return
    if layer.bias.zero_point is not None and np.any(layer.bias.zero_point):
        first = int(layer.bias.zero_point.reshape(-1)[np.flatnonzero(layer.bias.zero_point)[0]])
        consequence = Consequence.WRONG if gemm else Consequence.FLOAT
        ignored = ", which QGemm ignores" if gemm else ""
        yield finding_at(layer.node, "bias zero point", consequence, f"the zero point of its bias is {first}{ignored}")
    yield from _bias_scale(layer, gemm)


def _bias_scale(layer: QdqLayer, gemm: bool) -> Iterator[Finding]:
    wrong = layer.wrong_bias_step()
    if wrong is None:
        return
    ignored = gemm or wrong.most < _FUSED_ANYWAY
    consequence = Consequence.WRONG if ignored else Consequence.FLOAT
    instead = ", which the integer kernel takes in its place" if ignored else ""
    yield finding_at(layer.node, "bias scale", consequence, f"{wrong}{instead}")


def _product_and_sum(model: QdqModel, layer: QdqLayer) -> Iterator[Finding]:
    """A MatMul of matrices and an Add of a float constant become a Gemm, which then has a float bias."""
    users = [user for user, _ in layer.node.outputs[0].uses()]
    read = input_at(layer.node, 0)
    if not layer.whole or layer.op_type != "MatMul" or len(users) != 1 or users[0].op_type != "Add":
        return
    added = [value for value in users[0].inputs if value is not None and value.producer() is not layer.node]
    if (
        added
        and added[0].const_value is not None
        and read is not None
        and read.shape is not None
        and len(read.shape) == 2
    ):
        yield runs_in_float(
            layer,
            "float bias",
            f"{node_name(users[0])} adds the float constant {added[0].name}: together they become a Gemm in float",
        )


def _result(model: QdqModel, layer: QdqLayer) -> Iterator[Finding]:
    """A convolution's result is quantized, and an activation in between is the QuantizeLinear's own work."""
    if not layer.whole or layer.op_type not in ("Conv", "ConvTranspose"):
        return
    result: QuantizedResult = result_of(model, layer.node)
    if result.writer is None:
        yield runs_in_float(layer, "result in float", f"its result is not quantized: {result.readers} reads it")
    elif result.kept is not None:
        yield runs_in_float(
            layer,
            "activation kept",
            f"{result.kept.op_type} {node_name(result.kept)} does more than the codes of "
            f"{node_name(result.writer.node)} do by ending; quantize from 0 (or the Clip's bounds) on",
        )


def _signed(model: QdqModel, pair: QdqNode) -> Iterator[Finding]:
    """Activations are uint8."""
    if pair.dtype is ir.DataType.INT8 and not model.is_constant(input_at(pair.node, 0)):
        yield finding_at(
            pair.node,
            "int8 activation",
            Consequence.SLOWER,
            "x86 kernels read uint8 activations: with int8 many layers run in float or at a third of the speed",
        )


_LAYER_RULES: tuple[Callable[[QdqModel, QdqLayer], Iterator[Finding]], ...] = (
    _both_quantized,
    _types,
    _one_activation_scale,
    _weight_axis,
    _gemm,
    _bias,
    _product_and_sum,
    _result,
    overflows,
)
