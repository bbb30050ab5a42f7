"""Calibration: ranges of activations are observed, scales of weights are searched.

Activation ranges come from a `calib.ranges` estimator that watches each quantization point while calibration images
pass through the float network, or from BatchNorm (`statistics_ranges.py`). Where codes have 16 bits, no value that was
seen is cut off. Weight scales minimise the squared rounding error of each output channel over a grid of clipping
ratios.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional

from calib.parallel.processes import ALONE, Processes
from calib.ranges import MinMax, make_range_estimator
from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.planning.plan import QuantPoint, Role
from gdfq_export.recipe import Calibration
from gdfq_export.simulator import Mode, Quantizer, Simulator
from gdfq_export.simulator.quantizer import SMALLEST_SCALE
from gdfq_export.targets.table import WIDE_BITS
from gdfq_export.tuning.matched_statistics import MatchedStatistics
from gdfq_export.tuning.range_that_counts import EVERYTHING, range_that_counts

_RATIOS = tuple(1.0 - step / 100 for step in range(0, 80))


def calibrate(
    simulator: Simulator,
    batches: Iterable[Tensor],
    settings: Calibration,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    on_batch: Callable[[int], None] | None = None,
    statistics: Mapping[str, ChannelStatistics] = MappingProxyType({}),
    processes: Processes = ALONE,
) -> None:
    """Set the scale and zero point of every quantizer; leaves the simulator in quantizing mode.

    Args:
        simulator: its parameters are the float network's.
        batches: images [N, C, H, W] in the network's input range.
        settings: which estimators; where BatchNorm gives no range, the minimum and maximum are observed.
        ranges: (low, high) of activations that need not be observed, by tensor name.
        on_batch: called with the number of images seen after each batch.
        statistics: what values are matched with while ranges are observed (`matched_statistics.py`), by name.
        processes: that batches are dealt to; ranges are those of all.
    """
    observed: list[Quantizer] = []
    for quantizer in simulator.quantizers.values():
        point = quantizer.point
        if point.role is Role.INPUT:
            quantizer.set_range(point.low, point.high)
        elif point.role is Role.ACTIVATION and ranges and point.tensor in ranges:
            low, high = ranges[point.tensor]
            least, most = range_that_counts(simulator.folded.graph, simulator.plan, point)
            quantizer.set_range(max(low, least), min(high, most))
        elif point.role is Role.ACTIVATION:
            estimator = _estimator(settings, point, simulator.folded.graph)
            ends = range_that_counts(simulator.folded.graph, simulator.plan, point)
            quantizer.observer = estimator if ends == EVERYTHING else _Clamped(estimator, *ends)
            observed.append(quantizer)
        elif point.role is Role.CONSTANT:
            value = simulator.parameter(point.tensor).detach()
            quantizer.set_range(float(value.min()), float(value.max()))
        else:
            weight = simulator.parameter(point.tensor).detach()
            quantizer.set_scale(weight_scale(quantizer, weight, search=settings.weights == "mse"))
    simulator.set_mode(Mode.OBSERVE)
    seen = 0
    observe = MatchedStatistics(simulator, statistics).run
    with torch.no_grad():
        for number, images in enumerate(batches if observed else ()):
            if number % processes.size == processes.rank:
                observe(images)
            seen += images.shape[0]
            if on_batch is not None:
                on_batch(seen)
    _set_observed(observed, processes)
    simulator.set_mode(Mode.QUANTIZE)


def _set_observed(quantizers: list[Quantizer], processes: Processes) -> None:
    """Set the ranges that all processes have observed together."""
    found, *others = processes.all_of([quantizer.observer for quantizer in quantizers])
    for number, (quantizer, observer) in enumerate(zip(quantizers, found, strict=True)):
        for other in others:
            observer.merge(other[number])
        quantizer.set_range(*observer.range())
        quantizer.observer = None


def _estimator(settings: Calibration, point: QuantPoint, graph: ir.Graph) -> MinMax:
    whole = settings.activations == "batchnorm" or point.bits == WIDE_BITS
    return make_range_estimator(
        "minmax" if whole else settings.activations,
        bits=point.bits,
        percentile=settings.percentile,
        low_is_zero=point.low == 0,
        negative_slope=_negative_slope(graph, point.tensor),
    )


@dataclass(frozen=True)
class _Clamped:
    """An estimator that sees every number within [low, high]."""

    estimator: MinMax
    low: float
    high: float

    def observe(self, tensor: Tensor) -> None:
        """Show the estimator the tensor, clamped."""
        self.estimator.observe(tensor.clamp(self.low, self.high))

    def merge(self, other: _Clamped) -> None:
        """See what another has seen."""
        self.estimator.merge(other.estimator)

    def range(self) -> tuple[float, float]:
        """What the estimator says."""
        return self.estimator.range()


def _negative_slope(graph: ir.Graph, tensor: str) -> float:
    """Slope of the LeakyRelu that alone reads `tensor`: the weight of rounding errors of negative values."""
    readers = [node for node in graph if any(value is not None and value.name == tensor for value in node.inputs)]
    if len(readers) == 1 and readers[0].op_type == "LeakyRelu":
        return readers[0].attributes.get_float("alpha", 0.01)
    return 1.0


def weight_scale(quantizer: Quantizer, weight: Tensor, *, search: bool) -> Tensor:
    """Scale of each channel, [channels]: of the largest weight, or the one of least squared rounding error.

    Where inputs are in blocks, of each block, in the order of the weight's axes.
    """
    axis = quantizer.point.axis
    assert axis is not None
    if quantizer.point.block is not None:
        return _block_scale(quantizer, weight, search=search).movedim(0, axis)
    rows = weight.movedim(axis, 0).flatten(1)
    if not search:
        return rows.abs().amax(dim=1) / quantizer.code_max
    return search_scale(quantizer, rows, torch.ones_like(rows))


def _block_scale(quantizer: Quantizer, weight: Tensor, *, search: bool) -> Tensor:
    """Scale of each channel and block, [channels, blocks]."""
    rows = weight.movedim(quantizer.point.axis or 0, 0)
    if search:
        return search_block_scale(quantizer, rows, torch.ones_like(rows))
    return in_blocks(quantizer, rows).abs().amax(dim=1).reshape(len(rows), -1) / quantizer.code_max


def in_blocks(quantizer: Quantizer, rows: Tensor) -> Tensor:
    """Rows [channels, inputs] as [channels * blocks, block], the last block of a row filled up with zeros."""
    block = quantizer.point.block
    assert block is not None
    return functional.pad(rows, (0, -rows.shape[1] % block)).reshape(-1, block)


def search_block_scale(quantizer: Quantizer, rows: Tensor, importance: Tensor) -> Tensor:
    """`search_scale` for every block of the rows [channels, inputs]: [channels, blocks]."""
    scale = search_scale(quantizer, in_blocks(quantizer, rows), in_blocks(quantizer, importance))
    return scale.reshape(len(rows), -1)


def search_scale(quantizer: Quantizer, rows: Tensor, importance: Tensor) -> Tensor:
    """Scale of each row, [rows], of least squared rounding error, each error weighted by its `importance` [rows, K]."""
    full = rows.abs().amax(dim=1) / quantizer.code_max
    best, least = full.clone(), torch.full_like(full, torch.inf)
    for ratio in _RATIOS:
        scale = (full * ratio).clamp_min(SMALLEST_SCALE)[:, None]
        codes = torch.clamp(torch.round(rows / scale), quantizer.code_min, quantizer.code_max)
        error = ((codes * scale - rows).square() * importance).sum(dim=1)
        better = error < least
        least = torch.where(better, error, least)
        best = torch.where(better, scale[:, 0], best)
    return best
