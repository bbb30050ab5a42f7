"""Pairs of layers between which a channel can be scaled without changing what the network computes.

Nagel et al., "Data-Free Quantization", arXiv 1906.04721, section 4.1. Two layers, Conv or Gemm, are a pair if nothing
but the second reads what the first one writes, and every operator between them commutes with a positive factor per
channel: Relu, LeakyRelu, pooling, and what moves elements (Flatten, Reshape, Transpose, Slice: a channel shuffle is a
Reshape, a Transpose and a Reshape). Which channel of the first layer an input of the second one carries is found by
sending labels down that path.

A Clip with an upper bound, such as ReLU6, commutes only where the bound is not reached. The paper replaces
ReLU6 by ReLU, which not every network survives (measured: a MobileNetV1 falls from 67 to 8.5 %). The graph keeps its
Clip here, and `bound_filled` says how much of the bound a channel uses, as far as the paper's ranges reach (6 sigma).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx_ir as ir
import torch
from torch import Tensor

from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.frontend.torch_import import lower
from gdfq_export.planning.placement import activation_bounds
from gdfq_export.simulator import Layer, Simulator
from gdfq_export.targets.operator_traits import MOVES_ELEMENTS, POOLS
from gdfq_export.tuning.dfq.one_image import by_channel, spread

_SIGMAS = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPair:
    """Two layers, the second of which alone reads the first.

    Attributes:
        first: the layer that writes.
        second: the layer that reads.
        output: name of the value the first one writes.
        channels: int64 [input channels of the second], the first one's channel that each of them carries.
        groups: groups of the second one.
        upper: smallest upper bound of a Clip between them, infinite where there is none.
        slope: factor of negative values between the two: 0 behind a Relu, alpha behind a LeakyRelu, 1 otherwise.
        shifts: a constant that is subtracted from a positive input of what is between the two is subtracted from its
            output.
    """

    first: Layer
    second: Layer
    output: str
    channels: Tensor
    groups: int
    upper: float
    slope: float
    shifts: bool

    def bound_filled(self, known: ChannelStatistics) -> Tensor:
        """Share of `upper` that mean + 6 standard deviations of the first one's output reach, float64 [channels]."""
        mean, spread = _normal(known)
        return (mean + spread) / self.upper

    def reach(self, known: ChannelStatistics) -> Tensor:
        """How far from zero mean +- 6 standard deviations of what the second one reads lie, float64 [channels]."""
        mean, spread = _normal(known)
        above, below = (mean + spread).clamp_max(self.upper), self.slope * (spread - mean)
        return torch.maximum(above, below).clamp_min(0.0)


def find_pairs(simulator: Simulator) -> list[LayerPair]:
    """All pairs of quantized layers, in the order of computation."""
    layers = {layer.name: layer for layer in simulator.layers() if layer.weight_point.axis == 0}
    found = []
    for node in simulator.folded.graph:
        if node.name in layers:
            pair = _follow(layers[node.name], node.outputs[0], layers)
            if pair is not None:
                found.append(pair)
    return found


def _normal(known: ChannelStatistics) -> tuple[Tensor, Tensor]:
    """Means and 6 standard deviations, float64 [channels]."""
    return torch.from_numpy(known.mean).double(), _SIGMAS * torch.from_numpy(known.std).double()


def _follow(first: Layer, output: ir.Value, layers: dict[str, Layer]) -> LayerPair | None:
    """Walk from `output` to the only layer that reads it; None where the path forks, ends or does not commute."""
    labels = spread(torch.arange(first.weight.shape[0], dtype=torch.float32)[None], output)
    value, upper, slope, shifts = output, math.inf, 1.0, True
    while len(value.uses()) == 1 and not value.is_graph_output():
        ((node, index),) = value.uses()
        if index != 0 or len(node.outputs) != 1:
            return None
        if node.name in layers:
            channels = _one_per_channel(labels)
            if channels is None:
                return None
            return LayerPair(
                first=first,
                second=layers[node.name],
                output=str(output.name),
                channels=channels,
                groups=node.attributes.get_int("group", 1),
                upper=upper,
                slope=slope,
                shifts=shifts,
            )
        value = node.outputs[0]
        if node.op_type in ("Relu", "Clip"):
            low, high = activation_bounds(node)
            if low not in (0.0, -math.inf) or not high > 0:
                return None
            upper = min(upper, high)
            slope = slope if low < 0 else 0.0
        elif node.op_type == "LeakyRelu":
            slope *= node.attributes.get_float("alpha", 0.01)
            shifts = False
        elif node.op_type in POOLS:
            shifts = shifts and not node.attributes.get_int("count_include_pad", 0)
            labels = spread(labels.flatten(2)[:, :, 0], value)
        elif node.op_type in MOVES_ELEMENTS:
            op = lower(node)
            labels = op.function(labels, **op.kwargs)
        else:
            return None
    return None


def _one_per_channel(labels: Tensor) -> Tensor | None:
    """The label of each channel, None where a channel mixes several."""
    rows = by_channel(labels)
    return rows[:, 0].long() if bool((rows == rows[:, :1]).all()) else None
