"""Cross-layer equalization: neighbouring layers share out the ranges of their weights.

Nagel et al., "Data-Free Quantization", arXiv 1906.04721, section 4.1.1: dividing channel i of a layer by s_i and
multiplying what reads it by s_i leaves the network as it is, and

    s_i = sqrt(r1_i r2_i) / r2_i        (equation 11)

gives both sides the same range, r being the largest magnitude among the weights that write the channel (r1) or read it
(r2). Pairs overlap in a chain (a depthwise convolution is the second of one and the first of the next), so all are
gone through until no factor moves.

Where a ReLU6 stands between, the paper replaces it by a ReLU. A Clip cannot be changed channel by channel and stays:
a channel that hardly ever reaches the bound is scaled, and never so large that it would; the others keep their scale,
and so do all of a pair without statistics. Such a pair computes nearly the same, every other one the same but for float
rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from gdfq_export.graph.fold import ChannelStatistics
from gdfq_export.simulator import Simulator
from gdfq_export.tuning.input_channels import largest_by_input, scale_inputs
from gdfq_export.tuning.layer_pairs import LayerPair, find_pairs

__all__ = ["equalize"]

_ROUNDS = 200
_SETTLED = 1e-4  # mean |log s| of the pair that moves most
_LARGEST_FACTOR = 1e8


def equalize(simulator: Simulator, statistics: Mapping[str, ChannelStatistics]) -> dict[str, ChannelStatistics]:
    """Scale the channels between all pairs of layers, in place.

    Args:
        simulator: with the float network's parameters, not calibrated yet.
        statistics: of the float network's values, by name.

    Returns:
        The statistics of the scaled network.
    """
    pairs = [pair for pair in find_pairs(simulator) if math.isinf(pair.upper) or pair.output in statistics]
    weights = {layer.name: layer.weight.detach().double() for pair in pairs for layer in (pair.first, pair.second)}
    smallest = [_smallest(pair, statistics) for pair in pairs]
    totals = [torch.ones_like(bound) for bound in smallest]
    for _ in range(_ROUNDS):
        moved = 0.0
        for index, pair in enumerate(pairs):
            factors = _factors(pair, weights)
            factors = torch.maximum(factors * totals[index], smallest[index]) / totals[index]
            factors = torch.where(smallest[index] > 1, 1.0, factors)
            first, second = weights[pair.first.name], weights[pair.second.name]
            weights[pair.first.name] = first / factors.reshape(-1, *[1] * (first.dim() - 1))
            weights[pair.second.name] = scale_inputs(second, pair.groups, factors[pair.channels])
            totals[index] = totals[index] * factors
            moved = max(moved, float(factors.log().abs().mean()))
        if moved < _SETTLED:
            break
    scaled = dict(statistics)
    with torch.no_grad():
        for pair, total in zip(pairs, totals, strict=True):
            for layer in (pair.first, pair.second):
                layer.weight.copy_(weights[layer.name])
            if pair.first.bias is not None:
                pair.first.bias.copy_(pair.first.bias.double() / total)
            if pair.output in scaled:
                scaled[pair.output] = _divided(scaled[pair.output], total)
    return scaled


def _factors(pair: LayerPair, weights: Mapping[str, Tensor]) -> Tensor:
    """Equation 11 for every channel, float64 [channels]; 1 where no weight writes or reads the channel."""
    written = weights[pair.first.name].flatten(1).abs().amax(dim=1)
    by_input = largest_by_input(weights[pair.second.name], pair.groups)
    read = torch.zeros_like(written).scatter_reduce(0, pair.channels.to(written.device), by_input, "amax")
    factors = (written / read).sqrt().clamp(1 / _LARGEST_FACTOR, _LARGEST_FACTOR)
    return torch.where((written > 0) & (read > 0), factors, 1.0)


def _smallest(pair: LayerPair, statistics: Mapping[str, ChannelStatistics]) -> Tensor:
    """Smallest factor that keeps a channel below the bound of a Clip, float64 [channels]; above 1: it is not below."""
    if math.isinf(pair.upper):
        return torch.zeros(pair.first.weight.shape[0], dtype=torch.float64, device=pair.first.weight.device)
    return pair.bound_filled(statistics[pair.output]).to(pair.first.weight.device)


def _divided(known: ChannelStatistics, factors: Tensor) -> ChannelStatistics:
    divisor = factors.cpu().numpy()
    return ChannelStatistics(
        mean=(known.mean / divisor).astype(known.mean.dtype), std=(known.std / divisor).astype(known.std.dtype)
    )
