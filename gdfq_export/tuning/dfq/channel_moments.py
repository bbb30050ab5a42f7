"""Mean, standard deviation and range of each channel of every value, from BatchNorm statistics without data.

BatchNorm tells mean and standard deviation of some values (`ChannelStatistics`); this follows them through the graph as
Nagel et al. do (arXiv 1906.04721, section 4.2.1 and appendix C), each channel taken as normal where it enters:

1. A value with statistics is normal; its range is mean -+ N standard deviations.
2. Relu, Clip, LeakyRelu: closed form (`rectified_normal.py`); the range goes through the function.
3. Add: means and variances add, as if the summands were independent; so do the ends of the ranges, within mean -+ N
   standard deviations of the sum. A constant factor or summand counts as it is.
4. Pooling keeps moments and range: neighbours are taken as equal.
5. What moves elements moves their moments; zeros that Pad adds are zeros.

Behind any other operator, or a layer without BatchNorm, nothing is known, and the first such node is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir
import torch
from torch import Tensor

from gdfq_export.frontend.passes.constants.constant import constant_array
from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.frontend.torch_import import Op, lower
from gdfq_export.planning.placement import activation_bounds
from gdfq_export.targets.operator_traits import MOVES_ELEMENTS, POOLS
from gdfq_export.tuning.dfq.one_image import spread
from gdfq_export.tuning.dfq.rectified_normal import clipped, leaky

_ALIKE = MOVES_ELEMENTS | POOLS | {"Concat", "Pad"}
_ACTIVATIONS = frozenset({"Relu", "Clip", "LeakyRelu"})
_FOLLOWED = _ALIKE | _ACTIVATIONS | {"Add", "Mul"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Mean, standard deviation and range of each element of a value, float64 [rows, C, ...]."""

    mean: Tensor
    std: Tensor
    low: Tensor
    high: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMoments:
    """Moments by value name; for values that are computed but not known, the node behind which they are not."""

    moments: Mapping[str, Moments]
    unknown: Mapping[str, str]


def follow_moments(
    model: ir.Model, statistics: Mapping[str, ChannelStatistics], *, sigmas: float = 6.0
) -> KnownMoments:
    """Moments of every value of a canonical graph, as far as they follow from `statistics`.

    Args:
        model: canonical graph, BatchNormalization folded.
        statistics: by value name; the network's input may be among them.
        sigmas: N, standard deviations from the mean to the ends of a normal value's range.
    """
    return _Walk(statistics, sigmas).run(model.graph)


class _Walk:
    def __init__(self, statistics: Mapping[str, ChannelStatistics], sigmas: float) -> None:
        self.statistics = statistics
        self.sigmas = sigmas
        self.moments: dict[str, Moments] = {}
        self.unknown: dict[str, str] = {}

    def run(self, graph: ir.Graph) -> KnownMoments:
        for value in graph.inputs:
            if value.name in self.statistics:
                self.moments[str(value.name)] = self._normal(value)
            else:
                self.unknown[str(value.name)] = f"the input {value.name}"
        for node in graph:
            results = self._known(node) or self._computed(node)
            for index, value in enumerate(node.outputs):
                if results is not None:
                    self.moments[str(value.name)] = results[index]
                else:
                    self.unknown[str(value.name)] = self._origin(node)
        return KnownMoments(moments=self.moments, unknown=self.unknown)

    def _origin(self, node: ir.Node) -> str:
        """What first made the node's outputs unknown: an input that was, or else the node itself."""
        earlier = [self.unknown[str(value.name)] for value in node.inputs if value and value.name in self.unknown]
        return earlier[0] if earlier and node.op_type in _FOLLOWED else f"{node.op_type} {node.name}"

    def _known(self, node: ir.Node) -> list[Moments] | None:
        value = node.outputs[0]
        return [self._normal(value)] if value.name in self.statistics else None

    def _normal(self, value: ir.Value) -> Moments:
        known = self.statistics[str(value.name)]
        mean, std = (spread(torch.from_numpy(array).double()[None], value) for array in (known.mean, known.std))
        return Moments(mean=mean, std=std, low=mean - self.sigmas * std, high=mean + self.sigmas * std)

    def _moments_of(self, value: ir.Value | None) -> Moments | None:
        array = constant_array(value)
        if array is None:
            return None if value is None else self.moments.get(str(value.name))
        numbers = torch.from_numpy(array.copy()).double()
        return Moments(mean=numbers, std=torch.zeros_like(numbers), low=numbers, high=numbers)

    def _computed(self, node: ir.Node) -> list[Moments] | None:
        if node.op_type not in _FOLLOWED:
            return None
        op = lower(node)
        inputs = [x for value in op.inputs if (x := self._moments_of(value)) is not None]
        if len(inputs) != len(op.inputs):
            return None
        if node.op_type in _ALIKE:
            return _alike(op, inputs)
        if node.op_type in _ACTIVATIONS:
            return [_activated(node, inputs[0])]
        return self._sum(inputs) if node.op_type == "Add" else _product(inputs)

    def _sum(self, inputs: list[Moments]) -> list[Moments]:
        first, second = inputs
        mean, std = first.mean + second.mean, (first.std.square() + second.std.square()).sqrt()
        low = torch.maximum(first.low + second.low, mean - self.sigmas * std)
        high = torch.minimum(first.high + second.high, mean + self.sigmas * std)
        return [Moments(mean=mean, std=std, low=low, high=high)]


def _alike(op: Op, inputs: list[Moments]) -> list[Moments] | None:
    """The operator done to means, deviations and ends of ranges alike."""
    if op.kwargs.get("value"):  # Pad with another number than zero
        return None
    parts = []
    for part in ("mean", "std", "low", "high"):
        result = op.function(*(getattr(x, part) for x in inputs), **op.kwargs)
        parts.append(result if isinstance(result, tuple | list) else (result,))
    return [Moments(mean=mean, std=std, low=low, high=high) for mean, std, low, high in zip(*parts, strict=True)]


def _activated(node: ir.Node, x: Moments) -> Moments:
    if node.op_type == "LeakyRelu":
        slope = node.attributes.get_float("alpha", 0.01)
        mean, std = leaky(x.mean, x.std, slope)
        low, high = (torch.where(end > 0, end, slope * end) for end in (x.low, x.high))
        return Moments(mean=mean, std=std, low=low, high=high)
    bounds = activation_bounds(node)
    mean, std = clipped(x.mean, x.std, *bounds)
    return Moments(mean=mean, std=std, low=x.low.clamp(*bounds), high=x.high.clamp(*bounds))


def _product(inputs: list[Moments]) -> list[Moments] | None:
    """A value times a constant; the product of two values is not followed."""
    constant, x = sorted(inputs, key=lambda each: bool(each.std.any()))
    if constant.std.any():
        return None
    ends = (x.low * constant.mean, x.high * constant.mean)
    return [
        Moments(
            mean=x.mean * constant.mean,
            std=x.std * constant.mean.abs(),
            low=torch.minimum(*ends),
            high=torch.maximum(*ends),
        )
    ]
