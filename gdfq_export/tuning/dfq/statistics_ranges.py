"""Ranges of activations without data: N standard deviations of BatchNorm's statistics.

Nagel et al., "Data-Free Quantization", arXiv 1906.04721, section 5: beta -+ N gamma of every channel, N = 6, and of
these the smallest and the largest for the tensor; a ReLU cuts off what is below zero. `channel_moments.py` follows
ranges through the rest of the graph.
"""

from __future__ import annotations

from collections.abc import Mapping

from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.planning.plan import Role
from gdfq_export.simulator import Simulator
from gdfq_export.tuning.dfq.channel_moments import follow_moments


def statistics_ranges(
    simulator: Simulator, statistics: Mapping[str, ChannelStatistics], sigmas: float
) -> tuple[dict[str, tuple[float, float]], dict[str, str]]:
    """Ranges of the quantized activations, by tensor name.

    Args:
        simulator: whose plan says which tensors are quantized.
        statistics: of the network's values, by name.
        sigmas: N.

    Returns:
        (low, high) where they are known, and why they are not by tensor name.
    """
    known = follow_moments(simulator.folded, statistics, sigmas=sigmas)
    ranges, reasons = {}, {}
    for quantizer in simulator.quantizers.values():
        tensor = quantizer.point.tensor
        if quantizer.point.role is not Role.ACTIVATION:
            continue
        if tensor in known.moments:
            moments = known.moments[tensor]
            ranges[tensor] = (float(moments.low.min()), float(moments.high.max()))
        else:
            reasons[tensor] = f"nothing is known behind {known.unknown[tensor]}"
    return ranges, reasons
