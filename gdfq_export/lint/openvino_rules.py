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
from gdfq_export.qdq.reader.graph import Grid, QdqGraph, code_limits
from gdfq_export.qdq.reader.layers import Layer, read_layers
from gdfq_export.qdq.reader.nodes import finding_at, node_name, producer_of
from gdfq_export.support.finding import Consequence, Finding
from gdfq_export.targets.operator_traits import MOVES_ELEMENTS, POOLS

__all__ = ["openvino_findings"]

_MOVES = (MOVES_ELEMENTS | POOLS | {"Pad", "Relu"}) - {"GlobalMaxPool", "Split"}
"""Operators that OpenVINO moves a pair past; GlobalMaxPool and Split were not seen to let it pass."""
_KEEPS_CODES = MOVES_ELEMENTS - {"Dropout", "Flatten", "Split"}
"""Those behind which the codes of an AveragePool or Pad were seen."""


def openvino_findings(graph: QdqGraph, *, own: bool = False) -> list[Finding]:
    """Every rule that every node breaks; nothing for a file without Q/DQ.

    Args:
        graph: the file's.
        own: it was written for OpenVINO by this tool, whose simulation knows where OpenVINO does not round.
    """
    if not graph.quantize and not graph.dequantize:
        return []
    layers = read_layers(graph, _MOVES)
    findings = [finding for rule in _LAYER_RULES for layer in layers for finding in rule(layer)]
    for node in graph.quantize:
        findings.extend(_activation_scale(graph, graph.grid(node)))
        findings.extend(_four_bits(graph, graph.grid(node)))
    findings.extend(finding for node in graph.nodes for finding in _padded(graph, node))
    if not own:
        findings.extend(finding for node in graph.nodes for finding in _left_out(graph, node))
    return findings


def _both_quantized(layer: Layer) -> Iterator[Finding]:
    """A layer's activation and weight both come from a DequantizeLinear."""
    if layer.whole or layer.weight_only:
        return
    if layer.activation is None and layer.weight is None:
        yield _float(layer, "float layer", "neither its activation nor its weight is quantized")
    elif layer.weight is None:
        yield _float(layer, "half quantized", "its activation is quantized, its weight is not")
    else:
        yield _float(layer, "half quantized", "its weight is quantized, its activation is not")


def _types(layer: Layer) -> Iterator[Finding]:
    """Codes are bytes; weights of convolutions are signed and have no zero points."""
    if not layer.whole or layer.weight is None or layer.activation is None:
        return
    if layer.activation.dtype is not None and layer.activation.dtype.bitwidth > 8:
        yield _float(layer, "type", f"no integer kernel reads its activation of {layer.activation.dtype.name}")
    if layer.op_type != "Conv" or layer.weight.dtype is None:
        return
    if layer.weight.dtype is ir.DataType.UINT8:
        yield _float(layer, "uint8 weights", "its weight is uint8; store int8 with zero point 0")
    elif layer.weight.dtype is not ir.DataType.INT8:
        mend = "; store INT4 and Cast it to int8" if layer.weight.dtype.bitwidth < 8 else ""
        yield _float(layer, "type", f"no integer kernel reads its weight of {layer.weight.dtype.name}{mend}")
    elif layer.weight.zero_point is not None and np.any(layer.weight.zero_point):
        first = int(layer.weight.zero_point.reshape(-1)[np.flatnonzero(layer.weight.zero_point)[0]])
        yield _float(layer, "weight zero point", f"a zero point of its weight is {first}; quantize symmetrically")


def _weight_axis(layer: Layer) -> Iterator[Finding]:
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


def _bias_scale(layer: Layer) -> Iterator[Finding]:
    """An int32 bias is counted in steps of activation scale times weight scale, as every tool writes it."""
    if layer.bias is not None and layer.bias.dtype is ir.DataType.INT32 and (wrong := layer.wrong_bias_step()):
        yield finding_at(layer.node, "bias scale", Consequence.MISTAKE, str(wrong))


def _activation_scale(graph: QdqGraph, grid: Grid) -> Iterator[Finding]:
    """Activations have one scale, a positive number."""
    if grid.scale is None or graph.is_constant(input_at(grid.node, 0)):
        return
    if grid.scale.size > 1:
        yield finding_at(
            grid.node, "activation scale", Consequence.FLOAT, f"an activation has {grid.scale.size} scales, not 1"
        )
    elif not np.isfinite(grid.scale).all() or (np.abs(grid.scale) < np.finfo(np.float32).tiny).any():
        yield finding_at(
            grid.node,
            "scale",
            Consequence.REFUSED,
            f"OpenVINO does not load a scale of {float(grid.scale.reshape(-1)[0])}",
        )


def _four_bits(graph: QdqGraph, grid: Grid) -> Iterator[Finding]:
    """Activations of four bits are carried in bytes."""
    if grid.dtype is ir.DataType.INT4 and not graph.is_constant(input_at(grid.node, 0)):
        yield finding_at(
            grid.node, "4-bit activations", Consequence.WRONG, "INT4 activations are misread; carry the codes in uint8"
        )


def _padded(graph: QdqGraph, node: ir.Node) -> Iterator[Finding]:
    """What is padded with 0 has zero point 0: OpenVINO pads with the code 0, whatever that stands for."""
    if node.op_type == "AveragePool":
        counted = node.attributes.get_int("count_include_pad", None) == 1
        applies, mend = counted and any(node.attributes.get_ints("pads", ())), "leave count_include_pad out"
    else:
        quantized = any(user.op_type == "QuantizeLinear" for user, _ in node.outputs[0].uses())
        applies = node.op_type == "Pad" and quantized and _pads_channels(graph, node)
        mend = "pad behind QuantizeLinear, with the code of 0"
    grid = graph.dequantized(input_at(node, 0), _KEEPS_CODES) if applies else None
    if grid is None or grid.scale is None or grid.zero_point is None or grid.scale.size != 1:
        return
    if zero := int(grid.zero_point.reshape(-1)[0]):
        yield finding_at(
            node,
            "padding",
            Consequence.WRONG,
            f"OpenVINO pads with the code 0, which stands for {-zero * float(grid.scale.reshape(-1)[0]):.6g}: quantize "
            f"what it reads with zero point 0, or {mend}",
        )


def _pads_channels(graph: QdqGraph, node: ir.Node) -> bool:
    """Whether a Pad adds to anything but rows and columns."""
    stored, axes = (graph.numbers(input_at(node, index)) for index in (1, 3))
    amounts = list(node.attributes.get_ints("pads", ())) if stored is None else stored.reshape(-1).tolist()
    half = len(amounts) // 2
    named = range(half) if axes is None else axes.reshape(-1).tolist()
    return any(
        before or after
        for axis, before, after in zip(named, amounts[:half], amounts[half:], strict=True)
        if axis in (0, 1, -3, -4)
    )


def _left_out(graph: QdqGraph, node: ir.Node) -> Iterator[Finding]:
    """A pair of 8 bits between a convolution and the Add that alone reads it: OpenVINO clips there, and rounds not."""
    if node.op_type != "Add":
        return
    pairs = [_pair_behind_convolution(graph, value) for value in node.inputs]
    first = next((pair for pair in pairs if pair is not None), None)
    if any(maker is not None and maker.op_type == "Conv" for maker in map(producer_of, node.inputs)):
        return  # that convolution is the one that is added before anything is rounded
    if first is None or len(node.inputs) != 2 or any(graph.is_constant(value) for value in node.inputs):
        return
    if graph.codes_used(first) == code_limits(first.dtype):
        writer = graph.writer(first)
        assert writer is not None
        layer = producer_of(input_at(writer.node, 0))
        assert layer is not None
        yield finding_at(
            writer.node,
            "pair before an Add",
            Consequence.ROUNDED,
            f"between Conv {node_name(layer)} and Add {node_name(node)} OpenVINO mostly does not round",
        )


def _pair_behind_convolution(graph: QdqGraph, value: ir.Value | None) -> Grid | None:
    """The DequantizeLinear of a convolution's result that nothing but this reads."""
    pair = graph.dequantized(value, frozenset())
    writer = None if pair is None else graph.writer(pair)
    layer = None if writer is None else producer_of(input_at(writer.node, 0))
    if pair is None or writer is None or layer is None or layer.op_type != "Conv":
        return None
    alone = all(len(list(node.outputs[0].uses())) == 1 for node in (pair.node, writer.node, layer))
    return pair if alone else None


_LAYER_RULES: tuple[Callable[[Layer], Iterator[Finding]], ...] = (_both_quantized, _types, _weight_axis, _bias_scale)


def _float(layer: Layer, rule: str, message: str) -> Finding:
    return finding_at(layer.node, rule, Consequence.FLOAT, message)
