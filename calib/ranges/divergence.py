"""The clipping threshold of entropy calibration (Migacz, "8-bit inference with TensorRT", GTC 2017, pages 32 to 38).

For a growing number i of bins of the magnitudes' histogram: the reference P is the first i bins, with all larger values
added to the last; Q is the first i bins merged into `levels` groups and spread evenly over the bins of a group that
were not empty. The i of least KL(P || Q) sets the threshold. The bin of zero takes its neighbour's count: zeros after a
ReLU cost no precision anywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calib.ranges.histogram import BINS, StreamingHistogram

TRIALS = 256
SMOOTH = 1e-6


def divergence_threshold(histogram: StreamingHistogram, levels: int) -> float:
    """Give the magnitude to clip at, at most the largest seen; `levels` steps lead from zero to the threshold."""
    largest = max(abs(histogram.low), abs(histogram.high))
    counts, width = _magnitudes(histogram)
    if len(counts) <= levels:
        return largest
    step = max(1, (len(counts) - levels) // TRIALS)
    tried = [*range(levels, len(counts), step), len(counts)]
    divergences = [_divergence(counts, kept, levels) for kept in tried]
    return min(largest, float(tried[int(np.argmin(divergences))] * width))


def _magnitudes(histogram: StreamingHistogram) -> tuple[NDArray[np.float64], float]:
    """Fold the histogram at zero into at most BINS bins; gives counts and their width."""
    indices, counts = histogram.bins()
    folded = np.where(indices >= 0, indices, -indices - 1)
    width = histogram.width
    while folded.max() >= BINS:
        folded, width = folded // 2, width * 2
    result = np.bincount(folded, weights=counts).astype(np.float64)
    if len(result) > 1:
        result[0] = result[1]
    return result, width


def _divergence(counts: NDArray[np.float64], kept: int, levels: int) -> float:
    """Compute KL(P || Q) for the first `kept` bins; Q is at least SMOOTH where P has mass."""
    inside = counts[:kept]
    reference = inside.copy()
    reference[-1] += counts[kept:].sum()
    total, held = reference.sum(), inside.sum()
    if total == 0 or held == 0:
        return float("inf")
    groups = np.arange(kept) * levels // kept
    filled = reference > 0
    mass = np.bincount(groups, weights=inside, minlength=levels)
    members = np.bincount(groups, weights=filled, minlength=levels)
    spread = np.where(filled, mass[groups] / np.maximum(members[groups], 1), 0.0) / held
    seen = reference[filled] / total
    return float((seen * np.log(seen / np.maximum(spread[filled], SMOOTH))).sum())
