"""Which layers deserve more bits: how far the logits move when one layer's weights are rounded and nothing else is.

ZeroQ (Cai et al., arXiv 2001.00281, section 3.2) measures that on made images, layer by layer, and takes the sum over
layers for the error of any mix of bits. Here the error is the mean squared error of the logits over their variance, and
layers are raised in the order of what a byte gives, as long as the weights grow by no more than the recipe allows. On
imagenet_mobilenetv1_025_224 at W4A8, 1.6 % more bytes take the drop from 8.0 to 2.7 points (docs/measured.md).
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from gdfq_export.recipe import Bits, LayerBits, MixedBits
from gdfq_export.simulator import Layer, Mode, Simulator
from gdfq_export.tuning.calibration import weight_scale

__all__ = ["layers_to_raise", "weight_sensitivity", "with_raised_layers"]

_SMALLEST = 1e-12
_BATCH = 64


@torch.no_grad()
def weight_sensitivity(
    simulator: Simulator, images: Tensor, *, on_layer: Callable[[int, int], None] | None = None
) -> dict[str, float]:
    """Error of the logits for each layer whose weights alone are rounded to nearest, by the layer's name.

    Args:
        simulator: with the float network's parameters, not calibrated; its weight scales are set here.
        images: [N, C, H, W] in the network's input range.
        on_layer: called with the layers done and their number.
    """
    device = next(simulator.network.parameters()).device
    batches = [batch.to(device) for batch in images.split(_BATCH)]
    layers = simulator.layers()
    found = {}
    with simulator.in_mode(Mode.FLOAT):
        wanted = torch.cat([simulator(batch) for batch in batches])
        spread = wanted.var().clamp_min(_SMALLEST)
        for done, layer in enumerate(layers, start=1):
            quantizer = simulator.quantizers[layer.weight_point.key]
            quantizer.set_scale(weight_scale(quantizer, layer.weight.detach(), search=True))
            quantizer.mode = Mode.QUANTIZE
            logits = torch.cat([simulator(batch) for batch in batches])
            quantizer.mode = Mode.FLOAT
            found[layer.name] = float((logits - wanted).square().mean() / spread)
            if on_layer is not None:
                on_layer(done, len(layers))
    return found


def layers_to_raise(layers: Sequence[Layer], sensitivity: Mapping[str, float], mixed: MixedBits) -> list[str]:
    """Names of the layers to raise, those first that give most for a byte, while the weights' growth stays in bounds.

    Args:
        layers: with the bits their weights have.
        sensitivity: as `weight_sensitivity` gives it.
        mixed: bits of a raised layer, and the growth allowed.
    """
    left = mixed.growth * sum(layer.weight.numel() * layer.weight_point.bits for layer in layers)
    costs = {layer.name: layer.weight.numel() * (mixed.weights - layer.weight_point.bits) for layer in layers}
    raised = []
    for name in sorted(costs, key=lambda name: sensitivity[name] / max(1, costs[name]), reverse=True):
        if 0 < costs[name] <= left:
            left -= costs[name]
            raised.append(name)
    return raised


def with_raised_layers(bits: Bits, names: Sequence[str]) -> Bits:
    """The bits with `mixed` replaced by what it came to; what the recipe says of a layer by name still holds."""
    assert bits.mixed is not None
    raised = {glob.escape(name): LayerBits(weights=bits.mixed.weights) for name in names}
    return bits.model_copy(update={"mixed": None, "layers": {**raised, **bits.layers}})
