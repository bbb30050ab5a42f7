"""Images from priors, seen as BatchNorm saw the training images: each value gets its channels' mean and deviation.

Images that nobody optimised excite the last layers of a network less than photographs do, and what is observed on them
is not what real images do: in a PicoDet, ranges clip three quarters of what the deepest layers reach. BatchNorm says
what the mean and standard deviation of each channel are on the training images. Every value with such statistics is
shifted and scaled to them, over the images of a batch, before the next layer reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from calib.device.transfer import send
from calib.parallel.processes import Share
from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.simulator import Simulator

_LARGEST_GAIN = 4.0
_SMALLEST_DEVIATION = 1e-12


@dataclass(frozen=True, slots=True)
class ChannelMap:
    """What brings the channels of a value to known statistics: x * gain + shift, both [1, C, 1, ...]."""

    gain: Tensor
    shift: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """The channels of x [N, C, ...], scaled and shifted."""
        return x * self.gain + self.shift


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
        match = matching(n, result, self._statistics)
        return result if match is None else match(result)


def matching(
    node: fx.Node, x: Any, statistics: Mapping[str, ChannelStatistics], share: Share | None = None
) -> ChannelMap | None:
    """What gives x [N, C, ...], the value of a simulator's node, the mean and deviation that are known of it.

    No channel is scaled more than fourfold. None where nothing is known, and for the network's inputs. `share` says
    which images these are, where several processes have parts of them.
    """
    if node.op == "placeholder" or "input" in node.meta or "quantizes" in node.meta:
        return None
    known = statistics.get(node.meta.get("value", ""))
    if known is None:
        return None
    x = x if share is None else share.of_length(len(x)).gather(x)
    axes = [axis for axis in range(x.dim()) if axis != 1]
    shape = [1, -1, *[1] * (x.dim() - 2)]
    known_of_it = (torch.from_numpy(numbers).to(x.dtype) for numbers in (known.mean, known.std))
    mean, deviation = (send(numbers, x.device).reshape(shape) for numbers in known_of_it)
    single = x.numel() == x.shape[1]
    found = x.std(axes, correction=0 if single else 1, keepdim=True).clamp_min(_SMALLEST_DEVIATION)
    gain = (deviation / found).clamp(1 / _LARGEST_GAIN, _LARGEST_GAIN)
    return ChannelMap(gain, mean - x.mean(axes, keepdim=True) * gain)
