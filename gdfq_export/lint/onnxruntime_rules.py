"""What keeps a layer of a Q/DQ file from ONNX Runtime's integer kernels on x86, or makes it slow or wrong there.

Measured with ONNX Runtime 1.32 (CPU, x86-64 with VNNI), each rule by a file that breaks it: the optimised graph says
what runs in float, the same file without Q/DQ optimisation (`session.disable_quant_qdq`) what the numbers should be.
The edges between layers are in `onnxruntime_float_islands.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.lint.accumulator_overflow import overflows, saturates
from gdfq_export.lint.arm64_rules import arm64_findings
from gdfq_export.lint.onnxruntime_float_islands import island_findings
from gdfq_export.lint.onnxruntime_fusion import result_of
from gdfq_export.lint.rules import Broken, Rule, both_quantized, broken_rules, newer_opset
from gdfq_export.qdq.reader.layers import QdqLayer, read_layers
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import QdqNode, node_name, producer_of
from gdfq_export.runtimes.onnxruntime_operators import INTEGER_KERNELS
from gdfq_export.support.finding import Consequence, Finding
from gdfq_export.targets import Target
from gdfq_export.targets.ort_cpu import PAIRS_PASS

_MOST_OPSET = 27  # 28: "Could not find an implementation for QuantizeLinear(28)"
_BYTES = (ir.DataType.UINT8, ir.DataType.INT8)
_FUSED_ANYWAY = 0.04  # ONNX Runtime ignores a bias scale that is off by 3 %, and sees one that is off by 5 %


def onnxruntime_findings(model: QdqModel, target: Target) -> list[Finding]:
    """Every rule that every node breaks; nothing for a file without Q/DQ."""
    if not model.pairs:
        return []
    layers = read_layers(model, PAIRS_PASS)
    whole = [layer for layer in layers if layer.whole and not layer.dynamic and _has_kernel(layer)]
    rules = (*_LAYER_RULES, saturates) if target.weight.most_bits < 8 else _LAYER_RULES
    return [
        *newer_opset(model, _MOST_OPSET, "ONNX Runtime's kernels of QuantizeLinear", 21),
        *broken_rules(model, [_both_quantized], layers),
        *broken_rules(model, rules, whole),
        *broken_rules(model, [_signed], model.quantize),
        *island_findings(model),
        *arm64_findings(model, whole, target),
    ]


def _has_kernel(layer: QdqLayer) -> bool:
    return layer.op_type in INTEGER_KERNELS


def _both_quantized(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """A layer has an integer kernel, and its activation and weight both come from a DequantizeLinear."""
    if not _has_kernel(layer):
        message = "ONNX Runtime has no integer kernel for it; a Conv and a DepthToSpace compute the same"
        yield "no integer kernel", Consequence.FLOAT, message
        return
    maker, between = producer_of(input_at(layer.node, 0)), ""
    if maker is not None and maker.op_type != "DequantizeLinear" and model.dequantized(input_at(maker, 0), PAIRS_PASS):
        between = f"{maker.op_type} {node_name(maker)} stands between its Q/DQ pair and it; put a pair behind that"
    yield from both_quantized(layer, between)


def _types(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """Codes are bytes; weights are signed ones."""
    written = None if layer.op_type != "Conv" else result_of(model, layer.node).writer
    for name, pair in (("activation", layer.activation), ("weight", layer.weight), ("result", written)):
        if pair is not None and pair.dtype is not None and pair.dtype not in _BYTES:
            fix = "; store INT4 and Cast it to int8" if name == "weight" and pair.dtype.bitwidth < 8 else ""
            yield "type", Consequence.FLOAT, f"no integer kernel has {name}s of {pair.dtype.name}{fix}"
    if layer.weight is not None and layer.weight.dtype is ir.DataType.UINT8 and model.is_constant(layer.weight.codes):
        yield "uint8 weights", Consequence.SLOWER, "its weight is uint8, a third of the speed of int8"


def _one_activation_scale(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """An activation has one scale."""
    written = None if layer.op_type != "Conv" else result_of(model, layer.node).writer
    for what, pair in (("reads", layer.activation), ("writes", written)):
        if pair is not None and pair.scale is not None and pair.scale.size > 1:
            message = f"the activation that it {what} has {pair.scale.size} scales, not 1"
            yield "activation scale", Consequence.FLOAT, message


def _weight_axis(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """Scales of a weight lie along its output channels."""
    weight, axis = layer.weight, layer.output_axis
    if weight is None or weight.scale is None or weight.scale.size == 1 or axis is None:
        return
    if weight.axis != axis or weight.block:
        consequence = Consequence.REFUSED if layer.op_type == "MatMul" else Consequence.FLOAT
        where = f"in blocks of {weight.block}" if weight.block else f"along axis {weight.axis}"
        message = f"its weight has {weight.scale.size} scales {where}; output channels lie along axis {axis}"
        yield "weight axis", consequence, message


def _gemm(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """What QGemm asks for beyond a convolution: a zero point, a quantized bias, no factors."""
    if layer.op_type != "Gemm":
        return
    if layer.weight is not None and layer.weight.omits_zero_point:
        yield "zero point omitted", Consequence.FLOAT, "the zero point of its weight is left out; give zeros"
    for factor in ("alpha", "beta"):
        if (value := layer.node.attributes.get_float(factor, 1.0)) != 1 and (factor == "alpha" or layer.has_bias):
            yield "factor", Consequence.FLOAT, f"its {factor} is {value:g}; put it into the scales"


def _bias(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """A bias is int32 in steps of activation scale times weight scale, its zero point 0."""
    gemm, bias = layer.op_type == "Gemm", layer.bias
    if bias is None:
        if gemm and layer.has_bias:
            message = (
                "its bias is not quantized, so that it adds floats, each CPU in its own order; store int32 in steps "
            )
            message += "of s_x * s_w"
            yield "float bias", Consequence.FLOAT, message
        elif layer.has_bias and model.is_constant(input_at(layer.node, 2)):
            message = "its float bias is rounded to multiples of s_x * s_w when the file is loaded"
            yield "float bias", Consequence.ROUNDED, message
        return
    if bias.dtype is not ir.DataType.INT32:
        said = "unknown" if bias.dtype is None else bias.dtype.name
        yield "bias type", Consequence.FLOAT, f"its bias is {said}; store int32 in steps of s_x * s_w"
        return
    if bias.zero_point is not None and (wrong := bias.zero_point[bias.zero_point != 0]).size:
        consequence, ignored = (Consequence.WRONG, ", which QGemm ignores") if gemm else (Consequence.FLOAT, "")
        yield "bias zero point", consequence, f"the zero point of its bias is {int(wrong[0])}{ignored}"
    if (step := layer.wrong_bias_step()) is not None:
        ignored = ", which the integer kernel takes in its place" if gemm or step.most < _FUSED_ANYWAY else ""
        yield "bias scale", Consequence.WRONG if ignored else Consequence.FLOAT, f"{step}{ignored}"


def _product_and_sum(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """A MatMul of matrices and an Add of a float constant become a Gemm, which then has a float bias."""
    users = [user for user, _ in layer.node.outputs[0].uses()]
    read = input_at(layer.node, 0)
    if layer.op_type != "MatMul" or len(users) != 1 or users[0].op_type != "Add":
        return
    added = [value for value in users[0].inputs if value is not None and value.producer() is not layer.node]
    matrices = read is not None and read.shape is not None and len(read.shape) == 2
    if matrices and added and added[0].const_value is not None:
        message = f"{node_name(users[0])} adds the float constant {added[0].name}: together they become a Gemm in float"
        yield "float bias", Consequence.FLOAT, message


def _result(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """A convolution's result is quantized, and an activation in between is the QuantizeLinear's own work."""
    if layer.op_type != "Conv":
        return
    result = result_of(model, layer.node)
    if result.writer is None:
        yield "result in float", Consequence.FLOAT, f"its result is not quantized: {result.readers} reads it"
    elif result.kept is not None:
        kept, writer = f"{result.kept.op_type} {node_name(result.kept)}", node_name(result.writer.node)
        message = f"{kept} does more than the codes of {writer} do by ending; quantize from 0 (or the Clip's bounds) on"
        yield "activation kept", Consequence.FLOAT, message


def _signed(model: QdqModel, pair: QdqNode) -> Iterator[Broken]:
    """Activations are uint8."""
    if pair.dtype is ir.DataType.INT8 and not model.is_constant(input_at(pair.node, 0)):
        x86 = "x86 kernels read uint8 activations: with int8 many layers run in float or at a third of the speed"
        yield "int8 activation", Consequence.SLOWER, f"{x86}; on ARM64 they run on integers"


_LAYER_RULES: tuple[Rule[QdqLayer], ...] = (
    _types,
    _one_activation_scale,
    _weight_axis,
    _gemm,
    _bias,
    _product_and_sum,
    _result,
    overflows,
)
"""Of layers whose activation and weight are quantized."""
