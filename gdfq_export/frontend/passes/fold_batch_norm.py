"""Fold BatchNormalization into the layer before it and keep its statistics.

BatchNorm in inference is `y = gamma * (x - mean) / sqrt(var + eps) + beta`. Over the training data x has mean `mean`
and variance `var`, so its output has mean beta and standard deviation |gamma| per channel. That is all a data-free
method knows about activations (Nagel et al., "Data-Free Quantization through Weight Equalization and Bias Correction",
2019), and it must outlive the folding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.constants.constant import add_initializer, constant_array, input_at, unused_name
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


def fold_batch_norm(model: ir.Model) -> Folded:
    """Return a folded copy of the canonical `model`, which is not modified.

    1. A BatchNormalization whose input comes from a Conv, ConvTranspose or Gemm that has no other consumer is folded
       into it, in float64 and rounded once to float32. The layer's output takes the BatchNorm's output name; the
       layer's own name stays.
    2. Any other BatchNormalization becomes a depthwise 1x1 Conv on [N, C, H, W], a Mul and an Add on [N, C].
    3. Every Conv and Gemm owns its weight and bias afterwards: shared initializers are copied, so that layers can be
       tuned apart.
    4. A ConvTranspose becomes a Conv and a shuffle of its outputs (`rewrites/conv_transpose.py`).

    Raises:
        InputError: a BatchNormalization has parameters that are not constant.
    """
    folded = model.clone()
    statistics: dict[str, ChannelStatistics] = {}
    _own_parameters(folded.graph)
    for node in list(folded.graph):
        if node.op_type != "BatchNormalization":
            continue
        scale, shift, known = _affine(node)
        name = str(node.outputs[0].name)
        x = node.inputs[0]
        assert x is not None
        layer = x.producer()
        if layer is not None and _can_absorb(layer):
            statistics.pop(str(x.name), None)
            _absorb(folded.graph, layer, node, scale, shift)
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


def _can_absorb(layer: ir.Node) -> bool:
    output = layer.outputs[0]
    if layer.op_type not in ("Conv", "ConvTranspose", "Gemm") or len(output.uses()) != 1 or output.is_graph_output():
        return False
    bias = input_at(layer, 2)
    constant = constant_array(layer.inputs[1]) is not None and (bias is None or constant_array(bias) is not None)
    plain = layer.op_type != "Gemm" or (
        layer.attributes.get_int("transB", 0) == 1
        and layer.attributes.get_float("alpha", 1.0) == 1.0
        and layer.attributes.get_float("beta", 1.0) == 1.0
    )
    return constant and plain


def _absorb(graph: ir.Graph, layer: ir.Node, norm: ir.Node, scale: np.ndarray, shift: np.ndarray) -> None:
    weight, bias = layer.inputs[1], input_at(layer, 2)
    array, numbers = constant_array(weight), constant_array(bias)
    assert weight is not None and array is not None
    _assign(weight, array.astype(np.float64) * _by_output_channel(layer, array, scale))
    folded_bias = shift if numbers is None else numbers.astype(np.float64) * scale + shift
    if bias is not None:
        _assign(bias, folded_bias)
    else:
        layer.resize_inputs(3)
        layer.replace_input_with(2, add_initializer(graph, _bias_name(weight), folded_bias.astype(np.float32)))
    _take_over(graph, norm, layer.outputs[0])


def _by_output_channel(layer: ir.Node, weight: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The scales of output channels, so that they broadcast over a weight [out, ...] or, transposed, [in, out, ...]."""
    spatial = [1] * (weight.ndim - 2)
    if layer.op_type != "ConvTranspose":
        return scale.reshape(-1, 1, *spatial)
    groups = layer.attributes.get_int("group", 1)
    return np.repeat(scale.reshape(groups, -1), len(weight) // groups, axis=0).reshape(len(weight), -1, *spatial)


def _bias_name(weight: ir.Value) -> str:
    """`conv1.bias` beside `conv1.weight`, as torch calls it; `NAME_bias` beside any other name."""
    name = str(weight.name)
    return f"{name.removesuffix('weight')}bias" if name.endswith("weight") else f"{name}_bias"


def _to_depthwise(graph: ir.Graph, norm: ir.Node, scale: np.ndarray, shift: np.ndarray) -> None:
    name, channels = str(norm.outputs[0].name), scale.shape[0]
    x = norm.inputs[0]
    spatial = [1] * (2 if x is None or x.shape is None else len(x.shape) - 2)
    weight = add_initializer(graph, f"{name}_weight", scale.astype(np.float32).reshape(channels, 1, *spatial))
    bias = add_initializer(graph, f"{name}_bias", shift.astype(np.float32))
    attributes = {"group": channels, "kernel_shape": spatial}
    conv = ir.node("Conv", [norm.inputs[0], weight, bias], attributes, name=norm.name)
    graph.insert_before(norm, conv)
    _take_over(graph, norm, conv.outputs[0])


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
    _take_over(graph, norm, add.outputs[0])


def _take_over(graph: ir.Graph, norm: ir.Node, new: ir.Value) -> None:
    """`new` gets the name, the type and all uses of the BatchNorm's output; the BatchNorm goes."""
    old = norm.outputs[0]
    name = str(old.name)
    new.type, new.shape = old.type, old.shape
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    graph.remove(norm, safe=True)
    new.name = name


def _assign(value: ir.Value, array: np.ndarray) -> None:
    value.const_value = ir.tensor(np.ascontiguousarray(array.astype(np.float32)), name=value.name)


def _own_parameters(graph: ir.Graph) -> None:
    for node in graph:
        if node.op_type not in ("Conv", "ConvTranspose", "Gemm"):
            continue
        for index in range(1, len(node.inputs)):
            value = node.inputs[index]
            array = constant_array(value)
            if value is not None and array is not None and len(value.uses()) > 1:
                copy = add_initializer(graph, f"{value.name}_of_{node.outputs[0].name}", array.copy())
                node.replace_input_with(index, copy)
