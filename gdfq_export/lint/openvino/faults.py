"""Nodes that OpenVINO 2026.4 does not load, or computes with other numbers than the file says, whatever their scales.

Measured with its CPU plugin. What padding is made of depends on zero points; the others are faults of single kernels:

* means and sums of the codes of a tensor of three axes: memory that nothing has written is among the answers, from some
  batch size on
* fully connected layers that follow one another and are joined into one kernel: answers up to 1e31 where the first
  has no biases and reads codes whose zero point is not 0
* DequantizeLinear in front of DepthToSpace, of joined features: not loaded
* constants that are added to codes of zero point 0: `added_constants.py`
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.lint.openvino.added_constants import added_constant
from gdfq_export.lint.rules import Broken, Rule
from gdfq_export.qdq.reader.layers import QdqLayer
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import node_name, producer_of
from gdfq_export.support.finding import Consequence
from gdfq_export.targets.operator_traits import MOVES_ELEMENTS

_KEEPS_CODES = MOVES_ELEMENTS - {"Dropout", "Flatten", "Split"}
"""Those behind which the codes of an AveragePool or Pad were seen."""
_REDUCES = frozenset({"GlobalAveragePool", "ReduceMean", "ReduceSum"})
_BETWEEN = frozenset({"Clip", "DequantizeLinear", "Flatten", "LeakyRelu", "QuantizeLinear", "Relu", "Sigmoid"})
"""Operators between fully connected layers past which both become one kernel."""
_FULLY_CONNECTED = ("Gemm", "MatMul")


def padded(model: QdqModel, node: ir.Node) -> Iterator[Broken]:
    """What is padded with 0 has zero point 0: OpenVINO pads with the code 0, whatever that stands for."""
    if node.op_type == "AveragePool":
        counted = node.attributes.get_int("count_include_pad", None) == 1
        applies, fix = counted and any(node.attributes.get_ints("pads", ())), "leave count_include_pad out"
    else:
        quantized = any(user.op_type == "QuantizeLinear" for user, _ in node.outputs[0].uses())
        applies = node.op_type == "Pad" and quantized and _pads_channels(model, node)
        fix = "pad behind QuantizeLinear, with the code of 0"
    pair = model.dequantized(input_at(node, 0), _KEEPS_CODES) if applies else None
    if pair is not None and pair.step is not None and pair.zero:
        stands = f"OpenVINO pads with the code 0, which stands for {-pair.zero * pair.step:.6g}"
        message = f"{stands}: quantize what it reads with zero point 0, or {fix}"
        yield "padding", Consequence.WRONG, message


def reduced_signal(model: QdqModel, node: ir.Node) -> Iterator[Broken]:
    """A mean or sum of codes has their zero point 0 and codes behind it, or other than three axes."""
    pair = model.dequantized(input_at(node, 0)) if node.op_type in _REDUCES else None
    if pair is None or _rank(model, input_at(node, 0)) != 3:
        return
    rounded = all(user.op_type == "QuantizeLinear" for user, _ in node.outputs[0].uses())
    if pair.zero or not rounded or node.outputs[0].is_graph_output():
        fix = "put an Unsqueeze in front of it and a Squeeze behind, so that it has four axes"
        if node.op_type != "GlobalAveragePool":
            fix = "leave what it reads in float"
        message = f"OpenVINO's answers are wrong from some batch size on, for three axes: {fix}"
        yield "reduced signal", Consequence.WRONG, message


def joined_layers(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """A fully connected layer in front of another reads codes of zero point 0, or has biases that are not all one."""
    if layer.op_type not in _FULLY_CONNECTED or not layer.whole or layer.activation is None:
        return
    if not layer.activation.zero or _differ(model, input_at(layer.node, 2)):
        return
    behind = _fully_connected_behind(model, layer.node.outputs[0])
    if behind is not None:
        joined = f"OpenVINO joins it with {behind.op_type} {node_name(behind)} into one kernel"
        message = f"{joined}, which computes wrong numbers without biases: give it some, or leave it in float"
        yield "joined layers", Consequence.WRONG, message


def joined_features(model: QdqModel, node: ir.Node) -> Iterator[Broken]:
    """A DepthToSpace of what a Concat joined has zero point 0, or moves codes."""
    pair = model.dequantized(input_at(node, 0)) if node.op_type == "DepthToSpace" else None
    writer = None if pair is None else model.writer(pair)
    joined = None if writer is None else producer_of(input_at(writer.node, 0))
    while joined is not None and joined.op_type in ("Clip", "Relu"):
        joined = producer_of(input_at(joined, 0))
    if pair is not None and pair.zero and joined is not None and joined.op_type == "Concat":
        concat = f"Concat {node_name(joined)}"
        fix = "put it between QuantizeLinear and DequantizeLinear"
        message = f"OpenVINO does not load DequantizeLinear in front of it, behind {concat}: {fix}"
        yield "joined features", Consequence.REFUSED, message


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


def _rank(model: QdqModel, value: ir.Value | None) -> int | None:
    """Number of a value's axes, as the file states it or ONNX infers it."""
    if value is None or value.shape is not None:
        return None if value is None or value.shape is None else len(value.shape)
    try:
        inferred = onnx.shape_inference.infer_shapes(model.proto).graph.value_info
    except Exception:  # of a file beyond 2 GB, or of operators that are not ONNX's
        return None
    known = {each.name: each.type.tensor_type for each in inferred}
    found = known.get(str(value.name))
    return len(found.shape.dim) if found is not None and found.HasField("shape") else None


def _differ(model: QdqModel, bias: ir.Value | None) -> bool:
    """Whether a bias is not one number for all outputs, as far as it is stored."""
    if bias is None:
        return False
    pair = model.dequantized(bias)
    numbers = model.numbers(bias) if pair is None else model.numbers(pair.codes)
    return numbers is None or bool(numbers.size and np.ptp(numbers))


def _fully_connected_behind(model: QdqModel, value: ir.Value) -> ir.Node | None:
    """The layer that multiplies a value with constant codes, directly or behind operators that do not part the two."""
    for user, index in value.uses():
        if user.op_type in _FULLY_CONNECTED and index == 0 and model.is_constant(input_at(user, 1)):
            return None if model.dequantized(input_at(user, 1)) is None else user
        added = [read for read in user.inputs if model.is_constant(read)] if user.op_type == "Add" else []
        passes = (added and not _differ(model, added[0])) or (user.op_type in _BETWEEN and index == 0)
        if passes and (found := _fully_connected_behind(model, user.outputs[0])) is not None:
            return found
    return None


NODE_FAULTS: tuple[Rule[ir.Node], ...] = (padded, reduced_signal, joined_features, added_constant)
LAYER_FAULTS: tuple[Rule[QdqLayer], ...] = (joined_layers,)
