"""HardSwish between layers whose channels have unlike ranges: the channels are scaled before and behind it.

Eight bits for a whole tensor leave little for a channel that is a hundredth of the widest one, and a depthwise
convolution behind it makes that channel as large as the others again. Between Relus the channels are scaled alike
(cross-layer equalization, Nagel et al., arXiv 1906.04721); HardSwish does not commute with factors, so it gets the
channels as they were:

    x' = Relu((x - low) / (high - low))           the first convolution, its factor and its bias changed
    y = HardSwish(x' (high - low) + low)          in float
    y' = y / t                                    the second convolution's weights take t back

[low, high] is where BatchNorm's statistics (mean +- 6 standard deviations) say that the channel lies, and not below -3,
where HardSwish is 0; t is the largest magnitude of y there. Only x' and y' are quantized. Constant factors and summands
behind HardSwish (learnable affine blocks, Liu et al., PP-LCNetV3) are part of y. On a PicoDet of 96 HardSwish
this is done where the noise of eight bits would be a thousandth of a channel's variance (`docs/detection.md`).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.passes.affine import by_channel
from gdfq_export.frontend.passes.constants.constant import add_initializer, constant_array, input_at, unused_name
from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.frontend.passes.rewrites.recognize_hard_swish import BREAKPOINT, is_of_hard_swish
from gdfq_export.targets import Kernel, Target

STAYS_FLOAT = "gdfq_export.stays_float"
"""Key of `ir.Node.meta`: why a node has no kernel, whatever the target's table says."""

REASON = "between factors of channels of unlike ranges"

_SIGMAS = 6.0
_STEPS = 255
_NOISE = 1e-3  # quantization noise by variance, the mean over channels, from which on channels are scaled
_LEAST_GAIN = 4.0  # of that noise
_NARROWEST = 1 / 256  # range of a channel by that of the widest one

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _HardSwish:
    """A HardSwish with the layers around it.

    Attributes:
        first: the convolution that writes x.
        gate: the HardSigmoid.
        product: the Mul.
        affine: each Mul and Add of a constant behind it.
        readers: the convolutions that read y.
    """

    first: ir.Node
    gate: ir.Node
    product: ir.Node
    affine: tuple[ir.Node, ...]
    readers: tuple[ir.Node, ...]

    @property
    def y(self) -> ir.Value:
        """What the readers read."""
        return (self.affine or (self.product,))[-1].outputs[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranges:
    """Per channel: where x lies, and the largest magnitude of y."""

    low: Numbers
    high: Numbers
    reach: Numbers


def with_scaled_channels(model: FloatModel, target: Target) -> FloatModel:
    """Scale channels wherever it reduces the noise, on targets that compute HardSwish on codes; others get `model`."""
    rule = target.rules.get("HardSigmoid")
    if rule is None or rule.kernel is not Kernel.HARD_SIGMOID or not rule.clips_codes:
        return model
    folded, statistics = model.folded.clone(), dict(model.statistics)
    for gate in [node for node in folded.graph if is_of_hard_swish(node)]:
        found = _between_layers(gate)
        known = None if found is None else statistics.get(str(found.first.outputs[0].name))
        ranges = None if found is None or known is None else _ranges(known, found.affine)
        if found is not None and known is not None and ranges is not None:
            statistics.update(_scale(folded.graph, found, known, ranges))
    if len(folded.graph) == len(model.folded.graph):
        return model
    return dataclasses.replace(model, folded=folded, statistics=statistics)


def _between_layers(gate: ir.Node) -> _HardSwish | None:
    """The HardSwish of this gate, if convolutions with constant weights are all there is around it."""
    x, products = gate.inputs[0], [user for user, _ in gate.outputs[0].uses()]
    first = None if x is None else x.producer()
    if x is None or first is None or len(products) != 1:
        return None
    product, affine = products[0], _affine_behind(products[0])
    y = (affine or (product,))[-1].outputs[0]
    readers = dict(y.uses())
    gated = product.op_type == "Mul" and {user for user, _ in x.uses()} == {gate, product}
    inside = not any(value.is_graph_output() for value in (x, y))
    if not gated or not inside or not readers or any(readers.values()) or not all(map(_is_layer, (first, *readers))):
        return None
    return _HardSwish(first=first, gate=gate, product=product, affine=affine, readers=tuple(readers))


def _affine_behind(node: ir.Node) -> tuple[ir.Node, ...]:
    """Each Mul and Add of a constant, one behind the other, as long as nothing else reads the values between."""
    found: list[ir.Node] = []
    while True:
        value = (found or [node])[-1].outputs[0]
        uses = list(value.uses())
        if len(uses) != 1 or value.is_graph_output() or _step(uses[0][0], value) is None:
            return tuple(found)
        found.append(uses[0][0])


def _step(node: ir.Node, value: ir.Value | None) -> Numbers | None:
    """The constant [C] that a Mul or Add takes beside `value`."""
    if node.op_type not in ("Mul", "Add") or value is None:
        return None
    return by_channel(next((other for other in node.inputs if other is not value), None), value)


def _is_layer(node: ir.Node) -> bool:
    """Whether the node is a convolution whose weight and bias are constants."""
    arrays = [constant_array(input_at(node, index)) for index in (1, 2)]
    return node.op_type == "Conv" and all(array is not None for array in arrays)


def _ranges(known: ChannelStatistics, affine: Sequence[ir.Node]) -> _Ranges | None:
    """The ranges to scale by, None where it would not reduce the noise enough."""
    mean, std = known.mean.astype(np.float64), known.std.astype(np.float64)
    low = np.maximum(mean - _SIGMAS * std, -float(BREAKPOINT))
    high = np.maximum(mean + _SIGMAS * std, low)
    width = np.maximum(high - low, _NARROWEST * float((high - low).max()))
    sample = mean + std * np.linspace(-_SIGMAS, _SIGMAS, 97)[:, None]
    weights = np.exp(-0.5 * np.square(np.linspace(-_SIGMAS, _SIGMAS, 97)))[:, None]
    x = np.clip(sample, low, high)
    y = x * np.clip(x / (2 * BREAKPOINT) + 0.5, 0, 1)
    for node in affine:
        constant = next(numbers for value in node.inputs if (numbers := _step(node, value)) is not None)
        y = y * constant if node.op_type == "Mul" else y + constant
    reach = np.abs(y).max(axis=0)
    reach = np.maximum(reach, _NARROWEST * float(reach.max()))
    variances = [_variance(x, weights), _variance(y, weights)]
    before = sum(_noise(float(z.max() - z.min()), v) for z, v in zip((x, y), variances, strict=True))
    after = _noise(width, variances[0]) + _noise(reach * float((y / reach).max() - (y / reach).min()), variances[1])
    if before < _NOISE or before < _LEAST_GAIN * after:
        return None
    return _Ranges(low=low, high=low + width, reach=reach)


def _variance(values: Numbers, weights: Numbers) -> Numbers:
    mean = (values * weights).sum(axis=0) / weights.sum()
    variance: Numbers = (np.square(values - mean) * weights).sum(axis=0) / weights.sum()
    return variance


def _noise(width: Numbers | float, variance: Numbers) -> float:
    """Rounding noise of a range in 255 steps by the variance, at most 1, the mean over channels that vary."""
    varying = variance > 0
    noise = np.square(np.broadcast_to(width, variance.shape) / _STEPS) / 12
    return float(np.minimum(1, noise[varying] / variance[varying]).mean()) if varying.any() else 0.0


def _scale(
    graph: ir.Graph, found: _HardSwish, known: ChannelStatistics, ranges: _Ranges
) -> Mapping[str, ChannelStatistics]:
    """Scale the channels in the graph; gives what is now known of the first convolution's output."""
    x, y, width = found.first.outputs[0], found.y, ranges.high - ranges.low
    name = str(x.name)
    _change(found.first, 1, lambda weight: weight / width.reshape(-1, *[1] * (weight.ndim - 1)))
    _change(found.first, 2, lambda bias: (bias - ranges.low) / width)
    for reader in found.readers:
        _change(reader, 1, functools.partial(_scaled_inputs, reader.attributes.get_int("group", 1), ranges.reach))
    x.name = unused_name(graph, f"{name}_scaled")
    relu = _node("Relu", [x], unused_name(graph, f"{name}_scaled_relu"), x)
    graph.insert_after(found.first, relu)
    factor = _per_channel(graph, f"{name}_width", width, x)
    offset = _per_channel(graph, f"{name}_low", ranges.low, x)
    product = _node("Mul", [relu.outputs[0], factor], unused_name(graph, f"{name}_product"), x)
    restored = _node("Add", [product.outputs[0], offset], name, x)
    graph.insert_after(relu, [product, restored])
    for node in (found.gate, found.product):
        for index, value in enumerate(node.inputs):
            if value is x:
                node.replace_input_with(index, restored.outputs[0])
    shrink = _per_channel(graph, f"{y.name}_shrink", 1 / ranges.reach, y)
    scaled = _node("Mul", [y, shrink], unused_name(graph, f"{y.name}_scaled"), y)
    graph.insert_after((found.affine or (found.product,))[-1], scaled)
    for reader in found.readers:
        reader.replace_input_with(0, scaled.outputs[0])
    for node in (product, restored, found.gate, found.product, *found.affine, scaled):
        node.meta[STAYS_FLOAT] = REASON
    return {
        str(x.name): ChannelStatistics(
            mean=((known.mean - ranges.low) / width).astype(np.float32), std=(known.std / width).astype(np.float32)
        )
    }


def _change(layer: ir.Node, index: int, change: Callable[[Numbers], Numbers]) -> None:
    value, array = layer.inputs[index], constant_array(layer.inputs[index])
    assert value is not None and array is not None
    value.const_value = ir.tensor(change(array.astype(np.float64)).astype(np.float32), name=value.name)


def _scaled_inputs(groups: int, factors: Numbers, weight: Numbers) -> Numbers:
    """Weight [M, C / groups, ...] with what reads input channel c multiplied by `factors[c]`."""
    split = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)
    return (split * factors.reshape(groups, 1, -1, 1)).reshape(weight.shape)


def _per_channel(graph: ir.Graph, name: str, numbers: Numbers, like: ir.Value) -> ir.Value:
    assert like.shape is not None
    return add_initializer(graph, name, numbers.astype(np.float32).reshape(1, -1, *[1] * (len(like.shape) - 2)))


def _node(op_type: str, inputs: list[ir.Value | None], output: str, like: ir.Value) -> ir.Node:
    node = ir.node(op_type, inputs, name=f"{output}_node")
    node.outputs[0].name, node.outputs[0].type, node.outputs[0].shape = output, like.type, like.shape
    return node
