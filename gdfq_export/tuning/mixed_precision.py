"""Which layers deserve more bits: how far the outputs move when one layer's weights are rounded and nothing else is.

ZeroQ (Cai et al., arXiv 2001.00281, section 3.2) measures that on made images, layer by layer, and takes the sum over
layers for the error of any mix of bits. Here the error is the task's (`Task.error`), and layers are raised in the order
of what a byte gives, as long as the weights, and the file, grow by no more than the recipe allows. On
imagenet_mobilenetv1_025_224 at W4A8, 1.6 % more bytes take the drop from 8.0 to 2.7 points (docs/measured.md). Where no
layer would grow, for the target stores all weights as int8, all are raised.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gdfq_export.errors import InputError
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.recipe import Bits, LayerBits, MixedBits
from gdfq_export.simulator import Mode, Simulator
from gdfq_export.tasks.task import concatenated
from gdfq_export.tuning.calibration import weight_scale

__all__ = ["Mix", "layers_to_raise", "mix_bits", "raising_costs", "weight_sensitivity"]

_IMAGES = 64  # that layers are measured on
_BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What `bits.mixed` came to.

    Attributes:
        bits: with exceptions for the raised layers in the place of `mixed`.
        sensitivity: error of the outputs by the layer whose weights alone were rounded; empty where no byte is
            at stake.
        raised: the raised layers, those first that give most for a byte.
        growth: of the bytes of all weights.
    """

    bits: Bits
    sensitivity: dict[str, float]
    raised: list[str]
    growth: float


def mix_bits(
    simulator: Simulator,
    images: Tensor,
    bits: Bits,
    mixed: MixedBits,
    *,
    plan_with: Callable[[Bits], QuantPlan],
    room: int | None = None,
    on_layer: Callable[[int, int], None] | None = None,
) -> Mix:
    """Raise the layers that gain most from it.

    Args:
        simulator: with the float network's parameters, not calibrated; its weight scales are set here.
        images: [N, C, H, W] in the network's input range; the first 64 are used.
        bits: the recipe's; what it says of a layer by name holds.
        mixed: bits of a raised layer, and the growth allowed.
        plan_with: the network's plan for any bits.
        room: bytes that the file may grow by, beside `mixed.growth`; None sets no such limit.
        on_layer: called with the layers measured and their number.

    Raises:
        InputError: no layer may be raised.
    """
    costs = raising_costs(simulator, bits, mixed, plan_with)
    if not any(costs.values()):
        return Mix(bits=_raised(bits, mixed, costs), sensitivity={}, raised=list(costs), growth=0.0)
    sizes = {layer.name: layer.weight.numel() * layer.weight_point.stored_bits // 8 for layer in simulator.layers()}
    sensitivity = weight_sensitivity(simulator, images[:_IMAGES], on_layer=on_layer)
    left = int(mixed.growth * sum(sizes.values()))
    names = layers_to_raise(costs, sensitivity, left if room is None else min(left, room))
    return Mix(
        bits=_raised(bits, mixed, names),
        sensitivity=sensitivity,
        raised=names,
        growth=sum(costs[name] for name in names) / sum(sizes.values()),
    )


def raising_costs(
    simulator: Simulator, bits: Bits, mixed: MixedBits, plan_with: Callable[[Bits], QuantPlan]
) -> dict[str, int]:
    """Bytes that each layer which may be raised grows by, by the layer's name.

    Raises:
        InputError: there is none.
    """
    layers = simulator.layers()
    points = plan_with(_raised(bits, mixed, [layer.name for layer in layers])).by_tensor
    costs = {}
    for layer in layers:
        own, raised = layer.weight_point, points[layer.weight_point.tensor]
        if raised.bits > own.bits:
            costs[layer.name] = layer.weight.numel() * (raised.stored_bits - own.stored_bits) // 8
    if not costs:
        raise InputError(
            f"bits.mixed in the recipe raises weights to {mixed.weights} bits, and no layer has fewer that it may "
            "raise; lower bits.weights, or leave bits.mixed out"
        )
    return costs


@torch.no_grad()
def weight_sensitivity(
    simulator: Simulator, images: Tensor, *, on_layer: Callable[[int, int], None] | None = None
) -> dict[str, float]:
    """Error of the outputs for each layer whose weights alone are rounded to nearest, by the layer's name.

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
        wanted = concatenated([simulator(batch) for batch in batches])
        for done, layer in enumerate(layers, start=1):
            quantizer = simulator.quantizers[layer.weight_point.key]
            quantizer.set_scale(weight_scale(quantizer, layer.weight.detach(), search=True))
            quantizer.mode = Mode.QUANTIZE
            outputs = concatenated([simulator(batch) for batch in batches])
            quantizer.mode = Mode.FLOAT
            found[layer.name] = float(simulator.task.error(outputs, wanted))
            if on_layer is not None:
                on_layer(done, len(layers))
    return found


def layers_to_raise(costs: Mapping[str, int], sensitivity: Mapping[str, float], left: int) -> list[str]:
    """Names of layers, those first that give most for a byte, that together cost no more than `left`.

    Args:
        costs: bytes that a layer grows by, of those that may be raised.
        sensitivity: as `weight_sensitivity` gives it.
        left: bytes.
    """
    raised = []
    for name in sorted(costs, key=lambda name: _per_byte(sensitivity[name], costs[name]), reverse=True):
        if costs[name] <= left:
            left -= costs[name]
            raised.append(name)
    return raised


def _per_byte(error: float, cost: int) -> tuple[bool, float]:
    """To sort by: what costs nothing comes first."""
    return (False, error / cost) if cost else (True, error)


def _raised(bits: Bits, mixed: MixedBits, names: Iterable[str]) -> Bits:
    """The bits with some layers raised; what the recipe says of a layer by name still holds."""
    raised = {glob.escape(name): LayerBits(weights=mixed.weights) for name in names}
    return bits.model_copy(update={"mixed": None, "layers": {**raised, **bits.layers}})
