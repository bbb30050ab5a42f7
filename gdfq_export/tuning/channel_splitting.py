"""Channels that say next to nothing carry a second copy of channels whose rounding errors matter.

Outlier channel splitting (Zhao et al. 2019, "Improving Neural Network Quantization without Retraining using Outlier
Channel Splitting", arXiv 1901.09504) computes a channel twice and halves what reads it. Here the copies of a channel
are shifted against each other by a fraction of a step (the paper shifts weights so): n copies that are apart by 1 / n
of a step have, together, a grid of n times as many codes, and 1 / n^2 of the rounding error.

The paper widens layers for it. Trained networks with rectifiers have channels that are always 0 instead (7 of the first
32 of an ImageNet MobileNetV2), so that a copy costs nothing: no shape, no operator and no bit changes. In float the
network computes what it computed, but for what the replaced channels said.

A *chain* is a layer, the depthwise layers behind it, and the layer that reads all channels at the end. A channel keeps
its place through all of it, so that it is copied in all its layers at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from gdfq_export.simulator import Layer, Mode, Simulator
from gdfq_export.tuning.calibration import weight_scale
from gdfq_export.tuning.dfq.layer_pairs import LayerPair, find_pairs

_IMAGES = 16  # that errors are measured on
_MARGIN = 100.0  # a copy must take away this many times what the channel in its place said

Fractions = dict[str, Tensor]
"""By the key of an activation: how many of its steps each channel is shifted by, float32 [channels]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chain:
    """Layers between which channels keep their places: all but the last write them, all but the first read them."""

    layers: tuple[Layer, ...]
    upper: tuple[float, ...]


@torch.no_grad()
def split_channels(simulator: Simulator, reference: Simulator, images: Tensor) -> Fractions:
    """Replace channels by copies of others, in both networks, wherever that lowers the error of what reads them.

    Args:
        simulator: calibrated.
        reference: the same network in float.
        images: [N, C, H, W] in the network's input range; the first 16 are used.

    Returns:
        How the copies must be shifted once the scales of activations are final.
    """
    fractions: Fractions = {}
    for chain in _chains(simulator):
        values = _inputs_of(reference, chain, images[:_IMAGES])
        replaced = _plan(chain, simulator, values)
        if not replaced:
            continue
        twins = {layer.name: layer for layer in reference.layers()}
        for layers in (chain.layers, tuple(twins[layer.name] for layer in chain.layers)):
            _copy(layers, replaced, values[-1])
        for layer in chain.layers:
            quantizer = simulator.quantizers[layer.weight_point.key]
            quantizer.set_scale(weight_scale(quantizer, layer.weight, search=True))
        for layer in chain.layers[1:]:
            fractions[_activation(layer)] = _fractions_of(len(values[-1][0]), replaced)
    return fractions


def _chains(simulator: Simulator) -> list[_Chain]:
    """Chains whose layers all have biases, with nothing but a rectifier between two of them."""
    pairs = {pair.first.name: pair for pair in find_pairs(simulator) if _only_rectified(pair, simulator)}
    inner = {pair.second.name for pair in pairs.values() if _is_depthwise(pair)}
    found = []
    for name, pair in pairs.items():
        if name in inner:
            continue
        layers, upper = [pair.first, pair.second], [pair.upper]
        while _is_depthwise(pair) and pair.second.name in pairs:
            pair = pairs[pair.second.name]
            layers.append(pair.second)
            upper.append(pair.upper)
        if pair.groups == 1:
            found.append(_Chain(layers=tuple(layers), upper=tuple(upper)))
    return found


def _is_depthwise(pair: LayerPair) -> bool:
    return pair.groups == len(pair.channels) == pair.second.weight.shape[0] > 1


def _only_rectified(pair: LayerPair, simulator: Simulator) -> bool:
    """Whether a rectifier and its quantizer are all that is between the two, with every channel in its place."""
    source = pair.second.node.all_input_nodes[0]
    between = [node for node in (source, *source.all_input_nodes) if "op_type" in node.meta]
    rectifier = next((node for node in between if node.meta["op_type"] in ("Relu", "Clip")), None)
    in_place = torch.equal(pair.channels, torch.arange(len(pair.channels)))
    biases = pair.first.bias is not None and pair.second.bias is not None
    tensors = [point.tensor for point in simulator.plan.points]
    once = all(tensors.count(layer.weight_point.tensor) == 1 for layer in (pair.first, pair.second))
    return (
        pair.slope == 0
        and in_place
        and biases
        and once
        and "quantizes" in source.meta
        and rectifier is not None
        and pair.first.node in rectifier.all_input_nodes
    )


def _activation(layer: Layer) -> str:
    """Key of the activation that a layer reads."""
    return str(layer.node.all_input_nodes[0].meta["quantizes"])


def _inputs_of(reference: Simulator, chain: _Chain, images: Tensor) -> list[Tensor]:
    """What each layer of a chain but the first reads in float, [N, channels, ...]."""
    wanted = [layer.node.all_input_nodes[0].name for layer in chain.layers[1:]]
    run = _Capture(reference.network, set(wanted))
    run.run(images)
    return [run.found[name] for name in wanted]


class _Capture(fx.Interpreter):
    """Runs a network and keeps the values of some nodes."""

    def __init__(self, network: fx.GraphModule, names: set[str]) -> None:
        super().__init__(network)
        self._names = names
        self.found: dict[str, Tensor] = {}

    def run_node(self, n: fx.Node) -> Tensor:
        """Compute a node."""
        value: Tensor = super().run_node(n)
        if n.name in self._names:
            self.found[n.name] = value
        return value


def _plan(chain: _Chain, simulator: Simulator, values: Sequence[Tensor]) -> list[tuple[int, int]]:
    """Pairs of a channel that is replaced and the channel that it becomes a copy of.

    What a channel says, and its error, count as squares in the outputs of the layer at the end, whose bias can say a
    constant if it has no neighbours that a border would lack.
    """
    weight = chain.layers[-1].weight.detach()
    read = weight.square().transpose(0, 1).flatten(1).sum(dim=1)
    axes = [0, *range(2, values[-1].dim())]
    power = values[-1].square().mean(dim=axes)
    says = read * (values[-1].var(dim=axes) if weight[0, 0].numel() == 1 else power)
    errors = read * (_quantized(chain, simulator, values) - values[-1]).square().mean(dim=axes)
    says, errors = says.cpu(), errors.cpu()
    copies = torch.ones_like(says)
    replaced: list[tuple[int, int]] = []
    for place in torch.argsort(says).tolist():
        gains = errors * (1 / copies**2 - 1 / (copies + 1) ** 2)
        gains[[place, *(used for used, _ in replaced)]] = 0
        best = int(gains.argmax())
        if copies[place] > 1 or float(gains[best]) <= _MARGIN * float(says[place]):
            break
        copies[best] += 1
        replaced.append((place, best))
    return replaced


def _quantized(chain: _Chain, simulator: Simulator, values: Sequence[Tensor]) -> Tensor:
    """What the last layer reads if only activations within the chain are quantized."""
    found = values[0]
    for layer, upper in zip(chain.layers[1:], (*chain.upper[1:], None), strict=True):
        with simulator.in_mode(Mode.QUANTIZE):
            found = simulator.quantizers[_activation(layer)](found)
        if upper is not None:
            function, arguments = layer.node.target, (layer.weight, layer.bias)
            found = function(found, *arguments, **layer.node.kwargs).clamp(0, upper)  # type: ignore[operator]
    return found


def _copy(layers: Sequence[Layer], replaced: Sequence[tuple[int, int]], read: Tensor) -> None:
    """Put copies in place; the last layer takes an equal share of each, and its bias what replaced channels said.

    `read` is what the last layer reads, [N, channels, ...].
    """
    last = layers[-1]
    assert last.bias is not None
    means = read.mean(dim=[0, *range(2, read.dim())])
    copies = torch.ones_like(means)
    for place, source in replaced:
        last.bias.add_(last.weight[:, place].flatten(1).sum(dim=1) * means[place])
        copies[source] += 1
    for place, source in replaced:
        for layer in layers[:-1]:
            assert layer.bias is not None
            layer.weight[place], layer.bias[place] = layer.weight[source], layer.bias[source]
        last.weight[:, place] = last.weight[:, source]
        copies[place] = copies[source]
    last.weight.div_(copies.reshape(1, -1, *[1] * (last.weight.dim() - 2)))


def _fractions_of(channels: int, replaced: Sequence[tuple[int, int]]) -> Tensor:
    """How many steps each channel is shifted by, [channels]: n copies lie 1 / n apart, around 0."""
    members = {source: [source] for _, source in replaced}
    for place, source in replaced:
        members[source].append(place)
    shift = torch.zeros(channels)
    for places in members.values():
        count = len(places)
        shift[places] = (torch.arange(count) - (count - 1) / 2) / count
    return shift
