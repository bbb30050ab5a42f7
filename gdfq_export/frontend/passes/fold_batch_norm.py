"""Fold BatchNormalization into the layer before it and keep its statistics.

BatchNorm in inference is `y = gamma * (x - mean) / sqrt(var + eps) + beta`. Over the training data x has mean `mean`
and variance `var`, so its output has mean beta and standard deviation |gamma| per channel. That is all a data-free
method knows about activations (Nagel et al., "Data-Free Quantization through Weight Equalization and Bias Correction",
2019), and it must outlive the folding.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.affine import LAYERS, absorb, affine_of, can_absorb, take_over
from gdfq_export.frontend.passes.constants.constant import add_initializer, constant_array, unused_name
from gdfq_export.frontend.passes.rewrites.conv_transpose import ConvTransposePass


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStatistics:
    """Mean and standard deviation of a value per channel, float32 [C], as the training data left them in BatchNorm."""

    mean: np.ndarray
    std: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A graph without BatchNormalization, and statistics by the name of the value that was a BatchNorm's output."""

    model: ir.Model
    statistics: dict[str, ChannelStatistics]


def fold_batch_norm(model: ir.Model, keep: Collection[str] = ()) -> Folded:
    """Return a folded copy of the canonical `model`, which is not modified.

    1. A BatchNormalization whose input comes from a Conv, ConvTranspose or Gemm that has no other consumer is folded
       into it, in float64 and rounded once to float32. The layer's output takes the BatchNorm's output name; the
       layer's own name stays.
    2. So is a Mul, Div, Add or Sub with a constant for each channel: a BatchNorm that was written out by hand.
    3. Any other BatchNormalization becomes a depthwise 1x1 Conv on [N, C, H, W], a Mul and an Add on [N, C].
    4. Every layer owns its weight and bias afterwards: shared initializers are copied, so that layers can be tuned
       apart.
    5. A ConvTranspose becomes a Conv and a shuffle of its outputs (`rewrites/conv_transpose.py`).

    Args:
        model: canonical graph.
        keep: names of values that stay, because something outside the graph reads them.

    Raises:
        InputError: a BatchNormalization has parameters that are not constant.
    """
    folded = model.clone()
    statistics: dict[str, ChannelStatistics] = {}
    _own_parameters(folded.graph)
    for node in list(folded.graph):
        if node.op_type != "BatchNormalization":
            _fold_affine(folded.graph, node, statistics, keep)
            continue
        scale, shift, known = _affine(node)
        name = str(node.outputs[0].name)
        x = node.inputs[0]
        assert x is not None
        layer = x.producer()
        if layer is not None and can_absorb(layer, keep):
            statistics.pop(str(x.name), None)
            absorb(folded.graph, layer, node, scale, shift)
        elif x.shape is not None and len(x.shape) == 2:
            _to_mul_add(folded.graph, node, scale, shift)
        else:
            _to_depthwise(folded.graph, node, scale, shift)
        statistics[name] = known
    ConvTransposePass()(folded)
    common.RemoveUnusedNodesPass()(folded)
    return Folded(model=folded, statistics=statistics)


def _affine(node: ir.Node) -> tuple[np.ndarray, np.ndarray, ChannelStatistics]:
    arrays = [constant_array(value) for value in node.inputs[1:5]]
    if any(array is None for array in arrays):
        raise InputError(
            f"the BatchNormalization {node.name} has parameters that are computed; export it with constant parameters"
        )
    gamma, beta, mean, variance = (np.asarray(array, np.float64) for array in arrays)
    scale = gamma / np.sqrt(variance + node.attributes.get_float("epsilon", 1e-5))
    known = ChannelStatistics(mean=beta.astype(np.float32), std=np.abs(gamma).astype(np.float32))
    return scale, beta - mean * scale, known


def _fold_affine(
    graph: ir.Graph, node: ir.Node, statistics: dict[str, ChannelStatistics], keep: Collection[str]
) -> None:
    """Fold a Mul, Div, Add or Sub behind a layer into it, where it has one number for each channel."""
    found = affine_of(node)
    if found is None or not can_absorb(found.layer, keep):
        return
    known = statistics.pop(str(found.layer.outputs[0].name), None)
    name = str(node.outputs[0].name)
    absorb(graph, found.layer, node, found.scale, found.shift)
    if known is not None:
        mean, std = known.mean * found.scale + found.shift, known.std * np.abs(found.scale)
        statistics[name] = ChannelStatistics(mean=mean.astype(np.float32), std=std.astype(np.float32))


def _to_depthwise(graph: ir.Graph, norm: ir.Node, scale: np.ndarray, shift: np.ndarray) -> None:
    name, channels = str(norm.outputs[0].name), scale.shape[0]
    x = norm.inputs[0]
    spatial = [1] * (2 if x is None or x.shape is None else len(x.shape) - 2)
    weight = add_initializer(graph, f"{name}_weight", scale.astype(np.float32).reshape(channels, 1, *spatial))
    bias = add_initializer(graph, f"{name}_bias", shift.astype(np.float32))
    attributes = {"group": channels, "kernel_shape": spatial}
    conv = ir.node("Conv", [norm.inputs[0], weight, bias], attributes, name=norm.name)
    graph.insert_before(norm, conv)
    take_over(graph, norm, conv.outputs[0])


def _to_mul_add(graph: ir.Graph, norm: ir.Node, scale: np.ndarray, shift: np.ndarray) -> None:
    name = str(norm.outputs[0].name)
    x = norm.inputs[0]
    assert x is not None
    weight = add_initializer(graph, f"{name}_weight", scale.astype(np.float32))
    bias = add_initializer(graph, f"{name}_bias", shift.astype(np.float32))
    scaled = unused_name(graph, f"{name}_scaled")
    mul = ir.node("Mul", [x, weight], name=f"{norm.name}_scale")
    mul.outputs[0].name, mul.outputs[0].type, mul.outputs[0].shape = scaled, x.type, x.shape
    add = ir.node("Add", [mul.outputs[0], bias], name=norm.name)
    graph.insert_before(norm, [mul, add])
    take_over(graph, norm, add.outputs[0])


def _own_parameters(graph: ir.Graph) -> None:
    for node in graph:
        if node.op_type not in LAYERS:
            continue
        for index in range(1, len(node.inputs)):
            value = node.inputs[index]
            array = constant_array(value)
            if value is not None and array is not None and len(value.uses()) > 1:
                copy = add_initializer(graph, f"{value.name}_of_{node.outputs[0].name}", array.copy())
                node.replace_input_with(index, copy)
