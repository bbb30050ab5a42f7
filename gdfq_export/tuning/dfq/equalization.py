"""Cross-layer equalization: channels are scaled between neighbouring layers so that their ranges match.

Nagel et al., "Data-Free Quantization", arXiv 1906.04721, section 4.1.1: dividing channel i of a layer by s_i and
multiplying what reads it by s_i leaves the network as it is, and

    s_i = sqrt(r1_i r2_i) / r2_i        (equation 11)

gives both sides the same range, r being the largest magnitude among the weights that write the channel (r1) or read it
(r2). Pairs overlap in a chain (a depthwise convolution is the second of one and the first of the next), so all are
gone through until no factor moves.

With a scale for each output channel, though, the range of the weights that write a channel costs nothing; what channels
share is the scale of the activation between the two layers. So with `ranges: activations` r1 is the largest value of a
channel according to BatchNorm (mean + 6 standard deviations, not less than a tenth of the largest channel's), and
counts twice, because rounding of weights is compensated by other weights and rounding of activations by nothing:

    s_i = (r1_i^2 / r2_i)^(1/3)

up to a factor common to all channels: one that leaves alone those that cannot be scaled. A pair without BatchNorm is
left as it is.

Where a ReLU6 stands between, the paper replaces it by a ReLU. A Clip cannot be changed channel by channel and stays:
a channel that hardly ever reaches the bound is scaled, and never so large that it would; the others keep their scale,
and so do all of a pair without statistics. Such a pair computes nearly the same, every other one the same but for float
rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.simulator import Simulator
from gdfq_export.tuning.dfq.input_channels import largest_by_input, scale_inputs
from gdfq_export.tuning.dfq.layer_pairs import LayerPair, find_pairs

_ROUNDS = 200
_SETTLED = 1e-4  # mean |log s| of the pair that moves most
_LARGEST_FACTOR = 1e8
_LEAST_REACH = 0.1  # of the furthest channel's


def equalize(
    simulator: Simulator,
    statistics: Mapping[str, ChannelStatistics],
    ranges: Literal["weights", "activations"],
) -> dict[str, ChannelStatistics]:
    """Scale the channels between all pairs of layers, in place.

    Args:
        simulator: with the float network's parameters, not calibrated yet.
        statistics: of the float network's values, by name.
        ranges: what is matched with the weights that read a channel: the weights that write it, or its values.

    Returns:
        The statistics of the scaled network.
    """
    pairs = [
        pair
        for pair in find_pairs(simulator)
        if pair.output in statistics or (ranges == "weights" and math.isinf(pair.upper))
    ]
    layers = [layer for pair in pairs for layer in (pair.first, pair.second)]
    weights = {layer.name: layer.weight.detach().cpu().double() for layer in layers}  # rounds read numbers of them
    smallest = [_smallest(pair, statistics) for pair in pairs]
    totals = [torch.ones_like(bound) for bound in smallest]
    share = _for_weights if ranges == "weights" else _for_activations(pairs, statistics)
    for _ in range(_ROUNDS):
        moved = 0.0
        for index, pair in enumerate(pairs):
            first, second, fixed = weights[pair.first.name], weights[pair.second.name], smallest[index] > 1
            factors = share(pair, first, second, totals[index], fixed)
            factors = torch.maximum(factors * totals[index], smallest[index]) / totals[index]
            factors = torch.where(fixed, 1.0, factors)
            weights[pair.first.name] = first / factors.reshape(-1, *[1] * (first.dim() - 1))
            weights[pair.second.name] = scale_inputs(second, pair.groups, factors[pair.channels])
            totals[index] = totals[index] * factors
            moved = max(moved, float(factors.log().abs().mean()))
        if moved < _SETTLED:
            break
    return _applied(pairs, weights, totals, statistics)


def _applied(
    pairs: Sequence[LayerPair],
    weights: Mapping[str, Tensor],
    totals: Sequence[Tensor],
    statistics: Mapping[str, ChannelStatistics],
) -> dict[str, ChannelStatistics]:
    """Write the scaled weights into the layers, divide biases and statistics by the factors."""
    scaled = dict(statistics)
    with torch.no_grad():
        for pair, total in zip(pairs, totals, strict=True):
            for layer in (pair.first, pair.second):
                layer.weight.copy_(weights[layer.name])
            if pair.first.bias is not None:
                pair.first.bias.copy_(pair.first.bias.cpu().double() / total)
            if pair.output in scaled:
                scaled[pair.output] = _divided(scaled[pair.output], total)
    return scaled


_Share = Callable[[LayerPair, Tensor, Tensor, Tensor, Tensor], Tensor]
"""Takes a pair, both weights, the factors so far and which channels are fixed; gives the factors of a round."""


def _for_weights(pair: LayerPair, first: Tensor, second: Tensor, total: Tensor, fixed: Tensor) -> Tensor:
    """Equation 11."""
    del total, fixed
    return _factors(pair, first.flatten(1).abs().amax(dim=1), second, 1 / 2)


def _for_activations(pairs: Sequence[LayerPair], statistics: Mapping[str, ChannelStatistics]) -> _Share:
    """(r1^2 / r2)^(1/3), relative to the geometric mean of the channels that are fixed, of all where none is."""
    reaches = {pair.first.name: _reach(pair, statistics) for pair in pairs}

    def share(pair: LayerPair, first: Tensor, second: Tensor, total: Tensor, fixed: Tensor) -> Tensor:
        del first
        factors = _factors(pair, reaches[pair.first.name] / total, second, 2 / 3)
        return factors / factors[fixed if bool(fixed.any()) else slice(None)].log().mean().exp()

    return share


def _factors(pair: LayerPair, written: Tensor, weight: Tensor, share: float) -> Tensor:
    """r1^share / r2^(1 - share) for every channel, float64 [channels], of r1 = `written`; 1 where it or r2 is 0.

    `weight` is the second layer's; a share of 1 / 2 is equation 11.
    """
    by_input = largest_by_input(weight, pair.groups)
    read = torch.zeros_like(written).scatter_reduce(0, pair.channels, by_input, "amax")
    factors = (written**share / read ** (1 - share)).clamp(1 / _LARGEST_FACTOR, _LARGEST_FACTOR)
    return torch.where((written > 0) & (read > 0), factors, 1.0)


def _reach(pair: LayerPair, statistics: Mapping[str, ChannelStatistics]) -> Tensor:
    """How far each channel's values reach, float64 [channels]."""
    reach = pair.reach(statistics[pair.output])
    return reach.clamp_min(_LEAST_REACH * float(reach.max()))


def _smallest(pair: LayerPair, statistics: Mapping[str, ChannelStatistics]) -> Tensor:
    """Smallest factor that keeps a channel below the bound of a Clip, float64 [channels]; above 1: it is not below."""
    if math.isinf(pair.upper):
        return torch.zeros(pair.first.weight.shape[0], dtype=torch.float64)
    return pair.bound_filled(statistics[pair.output])


def _divided(known: ChannelStatistics, factors: Tensor) -> ChannelStatistics:
    divisor = factors.cpu().numpy()
    return ChannelStatistics(
        mean=(known.mean / divisor).astype(known.mean.dtype), std=(known.std / divisor).astype(known.std.dtype)
    )
