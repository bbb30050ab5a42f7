"""Images from priors, seen as BatchNorm saw the training images: each value gets its channels' mean and deviation.

Images that nobody optimised excite the last layers of a network less than photographs do, and ranges that are observed
on them clip real images: in a PicoDet, three quarters of what the deepest layers reach. BatchNorm says what the mean
and standard deviation of each channel are on the training images. While ranges are observed, every value with such
statistics is shifted and scaled to them, over the images of a batch, before the next layer reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx

from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.simulator import Simulator

_LARGEST_GAIN = 4.0
_SMALLEST_DEVIATION = 1e-12


class MatchedStatistics(fx.Interpreter):
    """Runs a simulator's network with matched statistics.

    Args:
        simulator: in the mode that it is to run in.
        statistics: mean and standard deviation of channels, by the names of values; the input is left as it is.
    """

    def __init__(self, simulator: Simulator, statistics: Mapping[str, ChannelStatistics]) -> None:
        super().__init__(simulator.network)
        self._statistics = statistics

    def run_node(self, n: fx.Node) -> Any:
        """Compute a node, and match what it gives if its statistics are known."""
        result = super().run_node(n)
        left = n.op == "placeholder" or "input" in n.meta or "quantizes" in n.meta
        known = None if left else self._statistics.get(n.meta.get("value", ""))
        return result if known is None else _matched(result, known)


def _matched(x: Tensor, known: ChannelStatistics) -> Tensor:
    """Give each channel of [N, C, ...] the known mean and deviation; no channel is scaled more than fourfold."""
    axes = [axis for axis in range(x.dim()) if axis != 1]
    shape = [1, -1, *[1] * (x.dim() - 2)]
    mean, deviation = (torch.from_numpy(numbers).to(x).reshape(shape) for numbers in (known.mean, known.std))
    gain = deviation / x.std(axes, keepdim=True).clamp_min(_SMALLEST_DEVIATION)
    return (x - x.mean(axes, keepdim=True)) * gain.clamp(1 / _LARGEST_GAIN, _LARGEST_GAIN) + mean
