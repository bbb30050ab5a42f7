"""High-bias absorption: the constant part of a channel moves into the next layer's bias.

Nagel et al., "Data-Free Quantization", arXiv 1906.04721, section 4.1.3: equalization can leave a channel with a large
bias, and with it a range whose lower part is never used. With BatchNorm's mean beta and standard deviation gamma,

    c = max(0, beta - 3 gamma),    b1 <- b1 - c,    b2 <- b2 + W2 c

is exact where the channel stays above c, which of a normal distribution 99.87 % does. As in the paper, zero padding of
the second layer is ignored: at the borders its padding is not lowered by c as the channel is, so that outputs there
gain W2 c for the taps that read padding. Nothing moves through a LeakyRelu or an average pool that counts padding, nor
in a channel that reaches the upper bound of a Clip, where what is cut off would change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch

from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.simulator import Simulator
from gdfq_export.tuning.dfq.input_channels import response
from gdfq_export.tuning.dfq.layer_pairs import find_pairs

_SIGMAS = 3.0


def absorb(simulator: Simulator, statistics: Mapping[str, ChannelStatistics]) -> dict[str, ChannelStatistics]:
    """Lower the biases of all pairs of layers that both have one, in place.

    Args:
        simulator: its parameters are those that `statistics` belong to; not calibrated yet.
        statistics: of the network's values, by name.

    Returns:
        The statistics of the changed network.
    """
    changed = dict(statistics)
    for pair in find_pairs(simulator):
        known = changed.get(pair.output)
        if known is None or not pair.shifts or pair.first.bias is None or pair.second.bias is None:
            continue
        surplus = np.maximum(known.mean - _SIGMAS * known.std, 0)
        if math.isfinite(pair.upper):
            surplus = np.where(pair.bound_filled(known).numpy() <= 1, surplus, 0)
        with torch.no_grad():
            moved = torch.from_numpy(surplus).to(pair.first.bias)
            pair.first.bias.sub_(moved)
            pair.second.bias.add_(response(pair.second.weight, pair.groups, moved[pair.channels]))
        changed[pair.output] = ChannelStatistics(mean=known.mean - surplus, std=known.std)
    return changed
