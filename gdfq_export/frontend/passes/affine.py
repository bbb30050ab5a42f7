"""A factor and a summand for each channel behind a layer, and how the layer absorbs them.

y = scale * layer(x) + shift is what BatchNormalization is in inference, and what is left of it where an exporter or an
author wrote it out as Mul and Add.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from gdfq_export.frontend.passes.constants.constant import add_initializer, constant_array, input_at

LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm"})
_AFFINE = frozenset({"Mul", "Div", "Add", "Sub"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Affine:
    """What a node does to the output of `layer`: scale and shift, float64 [C]."""

    layer: ir.Node
    scale: NDArray[np.float64]
    shift: NDArray[np.float64]


def affine_of(node: ir.Node) -> Affine | None:
    """What a Mul, Div, Add or Sub of a layer's output and a constant for each channel does; None for any other node."""
    if node.op_type not in _AFFINE:
        return None
    for index in (0, 1):
        value = node.inputs[index]
        layer = None if value is None else value.producer()
        if layer is None or layer.op_type not in LAYERS or (index == 1 and node.op_type in ("Div", "Sub")):
            continue
        numbers = by_channel(node.inputs[1 - index], layer.outputs[0])
        if numbers is None or (node.op_type == "Div" and not numbers.all()):
            return None
        one, zero = np.ones_like(numbers), np.zeros_like(numbers)
        scale = {"Mul": numbers, "Div": one / np.where(numbers == 0, 1, numbers)}.get(node.op_type, one)
        shift = {"Add": numbers, "Sub": -numbers}.get(node.op_type, zero)
        return Affine(layer=layer, scale=scale, shift=shift)
    return None


def can_absorb(layer: ir.Node, keep: Collection[str] = ()) -> bool:
    """Whether a layer's parameters are constant and nothing but one node reads its output."""
    output = layer.outputs[0]
    if layer.op_type not in LAYERS or len(output.uses()) != 1 or output.is_graph_output() or output.name in keep:
        return False
    bias = input_at(layer, 2)
    constant = constant_array(layer.inputs[1]) is not None and (bias is None or constant_array(bias) is not None)
    plain = layer.op_type != "Gemm" or (
        layer.attributes.get_int("transB", 0) == 1
        and layer.attributes.get_float("alpha", 1.0) == 1.0
        and layer.attributes.get_float("beta", 1.0) == 1.0
    )
    return constant and plain


def absorb(
    graph: ir.Graph, layer: ir.Node, node: ir.Node, scale: NDArray[np.float64], shift: NDArray[np.float64]
) -> None:
    """Put scale and shift [C] into the layer's weight and bias; its output takes the place of the node's."""
    weight, bias = layer.inputs[1], input_at(layer, 2)
    array, numbers = constant_array(weight), constant_array(bias)
    assert weight is not None and array is not None
    _assign(weight, _scaled(layer, array.astype(np.float64), scale))
    folded_bias = shift if numbers is None else numbers.astype(np.float64) * scale + shift
    if bias is not None:
        _assign(bias, folded_bias)
    else:
        layer.resize_inputs(3)
        layer.replace_input_with(2, add_initializer(graph, _bias_name(weight), folded_bias.astype(np.float32)))
    take_over(graph, node, layer.outputs[0])


def take_over(graph: ir.Graph, node: ir.Node, new: ir.Value) -> None:
    """`new` gets the name, the type and all uses of the node's output; the node goes."""
    old = node.outputs[0]
    name = str(old.name)
    new.type, new.shape = old.type, old.shape
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    new.name = name


def by_channel(value: ir.Value | None, like: ir.Value) -> NDArray[np.float64] | None:
    """The constant as float64 [C] of `like`; None where it is not one, or not the same at all positions."""
    array, shape = constant_array(value), like.shape
    if array is None or shape is None or array.ndim > len(shape) or not isinstance(shape[1], int):
        return None
    sizes = (1,) * (len(shape) - array.ndim) + array.shape
    if any(size != 1 for axis, size in enumerate(sizes) if axis != 1) or sizes[1] not in (1, shape[1]):
        return None
    return np.broadcast_to(array.astype(np.float64).reshape(-1), shape[1]).copy()


def _scaled(layer: ir.Node, weight: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights times the factor of their output channel; those of a ConvTranspose are [C, M / groups, ...]."""
    if layer.op_type != "ConvTranspose":
        return weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    groups = layer.attributes.get_int("group", 1)
    grouped = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    scaled: NDArray[np.float64] = grouped * scale.reshape(groups, 1, -1, *[1] * (weight.ndim - 2))
    return scaled.reshape(weight.shape)


def _bias_name(weight: ir.Value) -> str:
    """`conv1.bias` beside `conv1.weight`, as torch calls it; `NAME_bias` beside any other name."""
    name = str(weight.name)
    return f"{name.removesuffix('weight')}bias" if name.endswith("weight") else f"{name}_bias"


def _assign(value: ir.Value, array: NDArray[np.float64]) -> None:
    value.const_value = ir.tensor(np.ascontiguousarray(array.astype(np.float32)), name=value.name)
