"""Scales of integer sums with which the kernels of several CPU families give the same codes.

QLinearAdd is computed in float on x86-64 and in fixed point on ARM64: a sum next to the middle of two codes may be
rounded up by one and down by the other, and where a ratio of scales is a power of two, thousands of pairs of codes are.
So the scale of the sum moves by 0.02 % until every pair of codes gives the same code in all families. On a grid with
breakpoints, the number of steps to the breakpoint changes by one instead.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence

import onnx_ir as ir
import torch

from gdfq_export.planning.constraints import Breakpoints
from gdfq_export.planning.plan import QuantPlan, QuantPoint
from gdfq_export.simulator.codes import CodedTensor
from gdfq_export.simulator.encoding import encode_activation, grid_of
from gdfq_export.simulator.hard_sigmoid import sum_operands
from gdfq_export.simulator.kernel_sets import KERNEL_SETS
from gdfq_export.simulator.kernel_sets.kernel_set import BinaryKernel
from gdfq_export.simulator.quantizer import Quantizer
from gdfq_export.support.quant_params import QuantParams
from gdfq_export.targets import Kernel, find_target

log = logging.getLogger(__name__)

_STEP = math.log(1.0002)
_MOST_STEPS = 100


def equalize_sums(graph: ir.Graph, plan: QuantPlan, quantizers: Mapping[str, Quantizer]) -> None:
    """Move scales of sums until the target's `kernels` and `equal_kernels` compute the same codes.

    Args:
        graph: the folded graph; a sum's scale is chosen before that of the sums that read it.
        plan: of the graph.
        quantizers: by scale group; scales are changed in place.
    """
    target = find_target(plan.target)
    if not target.equal_kernels:
        return
    kernels = [KERNEL_SETS[name].binary[Kernel.ADD] for name in (target.kernels, *target.equal_kernels)]
    sums = _Sums(plan, quantizers)
    for node in graph:
        point = sums.output(node)
        if point is None:
            continue
        quantizer = quantizers[point.group]
        start = float(quantizer.log_scale.detach())
        for log_scale in _candidates(quantizer):
            _set(quantizer, log_scale)
            if _all_equal(kernels, *sums.operands(node, point)):
                break
        else:
            _set(quantizer, start)
            log.info("%s has no scale near by with which ONNX Runtime adds alike on all CPUs", node.name)


def _set(quantizer: Quantizer, log_scale: float) -> None:
    with torch.no_grad():
        quantizer.log_scale.fill_(log_scale)


def _candidates(quantizer: Quantizer) -> Iterator[float]:
    """Logarithms of scales, the nearest first."""
    yield float(quantizer.log_scale.detach())
    scale = float(quantizer.scale.detach())  # less than the parameter's where bounds of an absorbed activation limit it
    constraint = quantizer.point.constraint
    if not isinstance(constraint, Breakpoints) or not quantizer.has_breakpoints:
        for step in range(1, _MOST_STEPS):
            yield from (math.log(scale) + step * _STEP, math.log(scale) - step * _STEP)
        return
    whole = round(constraint.at / scale)
    for change in range(1, whole):
        yield from (math.log(constraint.at / number) for number in (whole - change, whole + change))


def all_pairs(a: QuantParams, b: QuantParams) -> tuple[CodedTensor, CodedTensor]:
    """Every code of one tensor beside every code of another: two tensors of the same length."""
    ranges = (torch.arange(grid.code_range[0], grid.code_range[1] + 1, dtype=torch.int32) for grid in (a, b))
    first, second = torch.cartesian_prod(*ranges).unbind(dim=1)
    return CodedTensor(codes=first, grid=a), CodedTensor(codes=second, grid=b)


def _all_equal(kernels: Sequence[BinaryKernel], a: CodedTensor, b: CodedTensor, grid: QuantParams) -> bool:
    """Whether all kernels give the same codes, in either order of the summands: broadcasting may swap them."""
    first, *others = (kernel(*pair, grid) for kernel in kernels for pair in ((a, b), (b, a)))
    return all(torch.equal(first, other) for other in others)


class _Sums:
    """The nodes that a plan computes as integer sums."""

    def __init__(self, plan: QuantPlan, quantizers: Mapping[str, Quantizer]) -> None:
        self.plan = plan
        self.quantizers = quantizers

    def output(self, node: ir.Node) -> QuantPoint | None:
        """The point of what a sum writes; None of other nodes, and of sums that read or write floats."""
        planned, written = self.plan.by_node[node.name or ""], node.outputs[0]
        if planned.absorbed is not None:
            written = next(user for user, _ in written.uses()).outputs[0]
        point = self._point(written)
        if point is None or planned.kernel not in (Kernel.ADD, Kernel.HARD_SIGMOID):
            return None
        return point if all(map(self._point, node.inputs)) and not self._clips(point) else None

    def operands(self, node: ir.Node, point: QuantPoint) -> tuple[CodedTensor, CodedTensor, QuantParams]:
        """All pairs of codes that the sum may add, and the grid of its result, with the scales as they are now."""
        x, *others = (self._grid(each) for each in map(self._point, node.inputs) if each is not None)
        if others:
            return *all_pairs(x, others[0]), self._grid(point)
        codes = CodedTensor(codes=torch.arange(x.code_range[0], x.code_range[1] + 1, dtype=torch.int32), grid=x)
        first, one, grid = sum_operands(node, codes, self._grid(point))
        return first, CodedTensor(codes=one.codes.expand(first.codes.shape), grid=one.grid), grid

    def _clips(self, point: QuantPoint) -> bool:
        """Whether the codes are another tensor's, clipped: nothing is added."""
        return self.quantizers[point.group].only_clips

    def _point(self, value: ir.Value | None) -> QuantPoint | None:
        point = None if value is None else self.plan.by_tensor.get(value.name or "")
        return point if point is not None and point.group in self.quantizers else None

    def _grid(self, point: QuantPoint) -> QuantParams:
        return grid_of(point, encode_activation(self.quantizers[point.group]))
