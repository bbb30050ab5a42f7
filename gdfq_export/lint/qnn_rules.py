"""What ONNX Runtime's QNN provider does not give to Qualcomm's processor (HTP), refuses or computes wrongly.

Found in the ONNX file alone. Measured with onnxruntime-qnn 2.7 and Qualcomm's simulation of the processor, each rule by
a file that breaks it: the provider says which nodes the processor takes, ONNX Runtime without optimisation what the
numbers should be. What the processor takes in float it computes in float16, or not at all if it is an older one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.lint.rules import Broken, Rule, broken_rules
from gdfq_export.qdq.reader.layers import QdqLayer, read_layers
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import QdqNode, code_limits, node_name, producer_of
from gdfq_export.support.finding import Consequence, Finding
from gdfq_export.targets.operator_traits import LAYERS, POOLS
from gdfq_export.targets.qnn import FIXED_SCALES, QNN

_ACTIVATIONS = (ir.DataType.UINT8, ir.DataType.INT8, ir.DataType.UINT16, ir.DataType.INT16)
_WEIGHTS = (ir.DataType.UINT8, ir.DataType.INT8, ir.DataType.INT4)
_WIDE = (ir.DataType.UINT16, ir.DataType.INT16)
_WIDE_OPSET = 21
_NO_INT8 = frozenset({"HardSigmoid", "LeakyRelu", "LogSoftmax", "Neg"})
_CHANNELS_LAST = POOLS | {"Conv", "ConvTranspose", "DepthToSpace", "Resize", "SpaceToDepth"}
"""Operators that are written for channels last before it turns out that the processor does not take them."""
_QDQ = ("QuantizeLinear", "DequantizeLinear")
_SAME = 1e-6  # relative
_SMALLEST_MULTIPLIER = 2.0**-24


def qnn_findings(model: QdqModel) -> list[Finding]:
    """Every rule that every node breaks, in the order of the rules; nothing for a file without Q/DQ."""
    if not model.pairs:
        return []
    layers = [layer for layer in read_layers(model, frozenset()) if layer.op_type in LAYERS]
    return [
        *_open_sizes(model),
        *broken_rules(model, _PAIR_RULES, model.pairs),
        *broken_rules(model, _LAYER_RULES, layers),
        *broken_rules(model, _NODE_RULES, model.nodes),
        *_without_pairs(model),
    ]


def _open_sizes(model: QdqModel) -> Iterator[Finding]:
    """No input has an open size."""
    inputs = (value for value in model.graph.inputs if value.const_value is None and value.shape is not None)
    for value in inputs:
        sizes = [size for size in value.shape or () if not isinstance(size, int)]
        if sizes:
            message = (
                f"the input {value.name} is {value.shape}, and the processor takes nothing of a graph with open sizes; "
                "fix them with onnxruntime.tools.make_dynamic_shape_fixed"
            )
            yield Finding(rule="open size", node="the file", consequence=Consequence.FLOAT, message=message)


def _types(model: QdqModel, pair: QdqNode) -> Iterator[Broken]:
    """Activations have 8 or 16 bits, 16 of them from opset 21 on, and some operators no int8."""
    if pair.dtype in _WIDE and model.opset < _WIDE_OPSET and not pair.node.domain:
        message = f"its codes are {pair.dtype_name}, which ONNX has from opset {_WIDE_OPSET} on; the file says "
        yield "opset", Consequence.REFUSED, f"{message}{model.opset}"
    if model.is_constant(pair.codes) or pair.dtype is None:
        return
    if pair.dtype not in _ACTIVATIONS:
        yield "type", Consequence.FLOAT, f"its activation is {pair.dtype_name}; store uint8 or uint16"
    neighbours = _neighbours(pair) & _NO_INT8 if pair.dtype is ir.DataType.INT8 else set()
    if neighbours:
        message = f"{' and '.join(sorted(neighbours))} beside it has no kernel for int8; store uint8"
        yield "int8 activation", Consequence.FLOAT, message


def _neighbours(pair: QdqNode) -> set[str]:
    """Operators on the float side of a pair."""
    if pair.node.op_type == "DequantizeLinear":
        return {user.op_type for user, _ in pair.node.outputs[0].uses()}
    maker = producer_of(input_at(pair.node, 0))
    return set() if maker is None else {maker.op_type}


def _scale(model: QdqModel, pair: QdqNode) -> Iterator[Broken]:
    """An activation has one scale, known before it runs, and a range of 1e-4 or more."""
    if model.is_constant(pair.codes):
        return
    limits = code_limits(pair.dtype)
    if pair.scale is None:
        yield "scale", Consequence.FLOAT, "its scale is computed at run time; make it an initializer"
    elif pair.scale.size > 1:
        yield "activation scale", Consequence.REFUSED, f"its activation has {pair.scale.size} scales, not 1"
    elif limits is not None and pair.node.op_type == "QuantizeLinear":
        reach = float(pair.scale.item()) * (limits[1] - limits[0])
        if reach < QNN.activation.smallest_range * (1 - _SAME):
            message = f"its codes span {reach:.3g}; ONNX Runtime's tools for QNN give every activation 1e-4 or more"
            yield "smallest range", Consequence.MISTAKE, message


def _read_as_written(model: QdqModel, pair: QdqNode) -> Iterator[Broken]:
    """A tensor is read with the scale and zero point that it was written with: it has one pair of them there."""
    if pair.node.op_type != "DequantizeLinear" or (writer := model.writer(pair, frozenset())) is None:
        return
    ours, theirs = (pair.scale, pair.zero_point), (writer.scale, writer.zero_point)
    if any(a is not None and b is not None and not _close(a, b) for a, b in zip(ours, theirs, strict=True)):
        message = f"the processor reads with the scale and zero point of {node_name(writer.node)} what this node reads "
        yield "second scale", Consequence.WRONG, f"{message}with others"


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and bool(np.allclose(a.astype(np.float64), b.astype(np.float64), rtol=_SAME, atol=0.0))


def _both_quantized(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """A layer reads codes and writes codes."""
    second = "second activation" if layer.of_activations else "weight"
    if layer.whole:
        if reader := _float_reader(layer.node):
            yield "result in float", Consequence.FLOAT, f"its result is not quantized: {reader} reads it"
    elif layer.activation is None and layer.weight is None:
        yield "float layer", Consequence.FLOAT, f"neither its activation nor its {second} is quantized"
    elif layer.activation is None:
        yield "half quantized", Consequence.FLOAT, f"its {second} is quantized, its activation is not"
    elif layer.of_activations:
        yield "half quantized", Consequence.FLOAT, f"its activation is quantized, its {second} is not"
    else:
        message = "its weight is float, and is quantized by rules of the runtime's own when the file is loaded"
        yield "float weight", Consequence.ROUNDED, message


def _weight(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """Weights have 8 or 4 bits."""
    weight = layer.weight
    if weight is not None and weight.dtype is not None and weight.dtype not in _WEIGHTS and not layer.of_activations:
        consequence = Consequence.REFUSED if layer.op_type.startswith("Conv") else Consequence.FLOAT
        yield "weight type", consequence, f"its weight is {weight.dtype_name}; store int8"


def _scales_of_channels(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """Several scales of a weight lie along the output channels of a Conv or Gemm, without zero points."""
    weight, axis = layer.weight, layer.output_axis
    if weight is None or layer.of_activations or weight.scale is None or weight.scale.size == 1:
        return
    if weight.block or (axis is not None and weight.axis != axis):
        where = f"in blocks of {weight.block}" if weight.block else f"along axis {weight.axis}"
        message = f"its weight has {weight.scale.size} scales {where}; output channels lie along axis {axis}"
        yield "weight axis", Consequence.FLOAT, message
    elif layer.op_type == "MatMul":
        message = f"its weight has {weight.scale.size} scales; older versions take a MatMul with one scale only, for "
        message += "which ONNX Runtime's get_qnn_qdq_config writes one"
        yield "scale per channel", Consequence.FLOAT, message
    middle = 128 if weight.dtype is ir.DataType.UINT8 else 0
    if weight.zero_point is not None and (wrong := weight.zero_point[weight.zero_point != middle]).size:
        message = f"a zero point of its weight is {int(wrong[0])}; quantize symmetrically"
        yield "weight zero point", Consequence.REFUSED, message


def _multiplier(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """With 16-bit activations, activation scale times weight scale is not less than 2**-24 of the result's scale."""
    step, written = layer.bias_step(), _writer_behind(layer.node)
    result = None if written is None else model.read(written)
    if step is None or result is None or result.step is None or layer.activation is None:
        return
    small = step < _SMALLEST_MULTIPLIER * result.step
    if layer.activation.dtype in _WIDE and small.any():
        message = f"in {int(small.sum())} of {small.size} channels activation scale x weight scale is less than 2**-24 "
        yield "small multiplier", Consequence.WRONG, message + "of the scale of its result; raise the weight scale"


def _writer_behind(node: ir.Node) -> ir.Node | None:
    """The QuantizeLinear that alone reads a node's result, or that of the Relu or Clip behind it."""
    users = [user for user, _ in node.outputs[0].uses()]
    if len(users) != 1:
        return None
    if users[0].op_type == "QuantizeLinear":
        return users[0]
    return _writer_behind(users[0]) if users[0].op_type in QNN.absorbed else None


def _bias(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """A bias has as many scales as the weight, in steps of activation scale times these; a Gemm has no factors."""
    if layer.bias is not None and _counts(layer.bias, layer.weight):
        message = f"its bias and its weight have {_counts(layer.bias, layer.weight)} scales; give both as many"
        yield "scales of a bias", Consequence.WRONG, message
    if layer.bias is not None and (wrong := layer.wrong_bias_step()):
        yield "bias scale", Consequence.MISTAKE, str(wrong)
    elif layer.bias is None and layer.has_bias and model.is_constant(input_at(layer.node, 2)):
        yield "float bias", Consequence.ROUNDED, "its bias is float, and is quantized when the file is loaded"
    for factor in ("alpha", "beta") if layer.op_type == "Gemm" else ():
        if (value := layer.node.attributes.get_float(factor, 1.0)) != 1 and (factor == "alpha" or layer.has_bias):
            yield "factor", Consequence.FLOAT, f"its {factor} is {value:g}; put it into the scales"


def _counts(bias: QdqNode, weight: QdqNode | None) -> str:
    """How many scales a bias and a weight have, where they differ."""
    if bias.scale is None or weight is None or weight.scale is None or bias.scale.size == weight.scale.size:
        return ""
    return f"{bias.scale.size} and {weight.scale.size}"


def _on_codes(model: QdqModel, node: ir.Node) -> Iterator[Broken]:
    """No operator stands between a QuantizeLinear and its DequantizeLinear."""
    before = producer_of(input_at(node, 0))
    if node.op_type not in _QDQ and before is not None and before.op_type == "QuantizeLinear":
        pairs = [user for user, _ in node.outputs[0].uses() if user.op_type == "DequantizeLinear"]
        beside = {node.op_type} | {user.op_type for pair in pairs for user, _ in pair.outputs[0].uses()}
        consequence = Consequence.REFUSED if beside & _CHANNELS_LAST else Consequence.FLOAT
        message = "it computes on codes, and the processor takes neither it nor what reads it; put it in front of "
        yield "operator on codes", consequence, f"{message}QuantizeLinear, or a pair around it"


def _fixed_scale(model: QdqModel, node: ir.Node) -> Iterator[Broken]:
    """16-bit Sigmoid and Tanh write with the one scale and zero point that the processor has for them."""
    for writer in (user for user, _ in node.outputs[0].uses() if user.op_type == "QuantizeLinear"):
        pair = model.read(writer)
        fixed = FIXED_SCALES.get((node.op_type, pair.dtype_name))
        if fixed is None or pair.step is None or pair.zero is None:
            continue
        scale, zero = fixed
        if abs(pair.step / scale - 1) > _SAME or pair.zero != zero:
            message = f"its {pair.dtype_name} codes have the scale {pair.step:.6g} and the zero point {pair.zero}; "
            message += f"the processor computes with {scale:.6g} and {zero}, whatever the file says"
            yield "fixed scale", Consequence.WRONG, message


def _without_pairs(model: QdqModel) -> list[Finding]:
    """Operators that the processor computes on codes, between layers that it does, without a pair somewhere."""
    behind = _reached((node for node in model.nodes if node.op_type == "DequantizeLinear"), ir.Node.successors)
    ahead = _reached((node for node in model.nodes if node.op_type == "QuantizeLinear"), ir.Node.predecessors)
    between = [node for node in model.nodes if node in behind and node in ahead]
    return broken_rules(model, [_pairs_around], between)


def _pairs_around(model: QdqModel, node: ir.Node) -> Iterator[Broken]:
    rule = QNN.rules.get(node.op_type)
    if rule is None or node.op_type in LAYERS or _absorbed(model, node):
        return
    indices = range(len(node.inputs)) if rule.activations is None else rule.activations
    reads = [input_at(node, index) for index in indices]
    if any(value is not None and value.dtype is not None and not value.dtype.is_floating_point() for value in reads):
        return
    if any(value is not None and model.dequantized(value) is None for value in reads):
        yield "no pair", Consequence.FLOAT, "one of its inputs is not quantized"
    elif reader := _float_reader(node):
        yield "no pair", Consequence.FLOAT, f"its result is not quantized: {reader} reads it"


def _absorbed(model: QdqModel, node: ir.Node) -> bool:
    """Whether it is the Relu or Clip between one layer or sum and its QuantizeLinear."""
    maker = producer_of(input_at(node, 0))
    return node.op_type in QNN.absorbed and maker is not None and maker.op_type in QNN.rules


def _float_reader(node: ir.Node) -> str:
    """What reads a node's result in float, by name; the Relu or Clip that becomes part of it does not count."""
    for value in node.outputs:
        users = [user for user, _ in value.uses()]
        if value.is_graph_output():
            return f"the output {value.name}"
        if len(users) == 1 and users[0].op_type in QNN.absorbed and node.op_type not in QNN.absorbed:
            return _float_reader(users[0])
        for user in users:
            if user.op_type != "QuantizeLinear":
                return f"{user.op_type} {node_name(user)}"
    return ""


def _reached(starts: Iterable[ir.Node], step: Callable[[ir.Node], Iterable[ir.Node]]) -> set[ir.Node]:
    """Nodes that repeated steps from `starts` lead to."""
    found: set[ir.Node] = set()
    stack = list(starts)
    while stack:
        for node in step(stack.pop()):
            if node not in found:
                found.add(node)
                stack.append(node)
    return found


_PAIR_RULES: tuple[Rule[QdqNode], ...] = (_types, _scale, _read_as_written)
_LAYER_RULES: tuple[Rule[QdqLayer], ...] = (_both_quantized, _weight, _scales_of_channels, _multiplier, _bias)
_NODE_RULES: tuple[Rule[ir.Node], ...] = (_on_codes, _fixed_scale)
