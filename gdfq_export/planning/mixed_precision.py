"""Mixed precision: which layers' weights and inputs get more bits, decided from errors, costs and limits alone.

ZeroQ (Cai et al., arXiv 2001.00281, section 3.2) measures how far the outputs move when one layer alone is quantized
(`tuning/sensitivity.py`), and takes the sum over layers for the error of any mix of bits. HAWQ-V3 (Yao et al., arXiv
2011.10680, section 3.3) chooses the mix by an integer programme, under limits on bytes and on bit operations: the
multiply-accumulates of a layer times the bits of its weights times the bits of its input. `multiple_choice.py` solves
it. On imagenet_mobilenetv1_025_224 at W4A8, 1.6 % more bytes take the accuracy drop from 8.0 to 2.7 points
(docs/measured.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gdfq_export.errors import InputError
from gdfq_export.planning.layer_mix import LayerMix
from gdfq_export.planning.mixable import Mixable, MixableLayer, Widths, raise_layers
from gdfq_export.planning.multiple_choice import Option, Question, choose
from gdfq_export.recipe import Bits, MixedBits

_WHOLE_BITS = 8
_NOT_MEASURED = 1.0  # the error of what costs nothing to raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the mix may cost: bytes that weights add to the file, and bit operations for one image."""

    bytes_added: float = math.inf
    operations: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedPrecision:
    """What `bits.mixed` came to.

    Attributes:
        bits: with exceptions for the raised layers in place of `mixed`.
        layers: the bits of each layer, in the order of computation.
        raised: the layers whose weights were raised, in the order of error per byte.
        growth: bytes added to those of all weights, as a ratio.
        operations: bit operations relative to 8 bits everywhere.
        error: sum of the measured errors that are left.
    """

    bits: Bits
    layers: tuple[LayerMix, ...]
    raised: list[str]
    growth: float
    operations: float
    error: float

    @property
    def sensitivity(self) -> dict[str, float]:
        """Relative error of the outputs by the layer whose weights alone have their fewest bits, where measured."""
        return {each.layer: each.weights_error for each in self.layers if each.weights_error is not None}


def mix(
    bits: Bits, mixed: MixedBits, network: Mixable, *, errors: Mapping[str, float], limits: Limits
) -> MixedPrecision:
    """The mix of the least total error within the limits.

    Args:
        bits: the recipe's; what it says of a layer by name holds.
        mixed: the bits that layers are raised to.
        network: what may be raised.
        errors: relative error of the outputs by the key of the point that alone has its fewest bits, of the points
            that `Mixable.points` names; at more bits it goes with the square of the step.
        limits: not below what the fewest bits take.

    Raises:
        InputError: nothing may be raised.
    """
    if not network.has_choices:
        raise InputError(
            f"bits.mixed in the recipe raises weights to {mixed.weights} bits, and no layer has fewer that it may "
            "raise; lower bits.weights, or leave bits.mixed out"
        )
    labels: list[Any] = choose(_questions(network, errors), (limits.bytes_added, limits.operations))
    chosen: dict[str, int] = dict(label for label in labels if label is not None)
    layers = tuple(_layer_mix(layer, chosen, errors, network) for layer in network.layers)
    raised = [each for each in network.layers if _is_raised(each.weights, chosen)]
    raised.sort(key=lambda each: _per_byte(errors.get(each.weights.point, 0.0), each.bytes_added), reverse=True)
    names = [each.name for each in raised]
    inputs = [each.name for each in network.layers if _is_raised(each.activations, chosen)]
    return MixedPrecision(
        bits=raise_layers(bits, mixed, names, inputs),
        layers=layers,
        raised=names,
        growth=sum(each.bytes_added for each in raised) / network.weight_bytes,
        operations=_operations(network, layers) / max(network.whole_operations, 1),
        error=_error_left(network, chosen, errors),
    )


def _error_left(network: Mixable, chosen: Mapping[str, int], errors: Mapping[str, float]) -> float:
    """Sum of the measured errors at the chosen bits."""
    widths = {each.point: each for layer in network.layers for each in (layer.weights, layer.activations) if each}
    return sum(_error(each, chosen[key], errors) for key, each in widths.items() if key in errors)


def _questions(network: Mixable, errors: Mapping[str, float]) -> list[Question]:
    """For each scale group of layer inputs its bits, and then the bits of the weights of all layers that read it."""
    readers: dict[Widths | None, list[MixableLayer]] = {}
    for layer in network.layers:
        readers.setdefault(layer.activations, []).append(layer)
    questions = []
    for widths, layers in readers.items():
        choices = [(None, 0)] if widths is None else [((widths.point, bits), bits) for bits in widths.choices]
        questions.append(
            tuple(
                Option(
                    label,
                    0.0 if widths is None else _error(widths, bits, errors),
                    then=tuple(_question_of_weights(layer, bits, errors) for layer in layers),
                )
                for label, bits in choices
            )
        )
    return questions


def _question_of_weights(layer: MixableLayer, activations: int, errors: Mapping[str, float]) -> Question:
    """The bits of a layer's weights, whose input has so many; where an earlier layer decides, the most count."""
    widths, operations = layer.weights, layer.operations * activations
    if not layer.decides:
        return (Option(None, 0.0, (0, operations * widths.most)),)
    return tuple(
        Option(
            (widths.point, bits),
            _error(widths, bits, errors),
            (layer.bytes_added if bits > widths.fewest else 0, operations * bits),
        )
        for bits in widths.choices
    )


def _error(widths: Widths, bits: int, errors: Mapping[str, float]) -> float:
    """Of the outputs with one tensor at so many bits: it goes with the square of the step."""
    step: float = (2**widths.fewest - 1) / (2**bits - 1)
    return errors.get(widths.point, _NOT_MEASURED) * (step * step)


def _per_byte(error: float, cost: int) -> tuple[bool, float]:
    return (False, error / cost) if cost else (True, error)


def _operations(network: Mixable, layers: Sequence[LayerMix]) -> int:
    """Bit operations of the mix for one image."""
    pairs = zip(network.layers, layers, strict=True)
    return sum(layer.operations * made.weights * (made.activations or 0) for layer, made in pairs)


def _is_raised(widths: Widths | None, chosen: Mapping[str, int]) -> bool:
    return widths is not None and chosen[widths.point] > widths.fewest


def _layer_mix(
    layer: MixableLayer, chosen: Mapping[str, int], errors: Mapping[str, float], network: Mixable
) -> LayerMix:
    activations = layer.activations
    counted = layer.operations * _WHOLE_BITS**2 if activations is not None else 0
    return LayerMix(
        layer=layer.name,
        weights=chosen[layer.weights.point],
        activations=None if activations is None else chosen[activations.point],
        weights_error=errors.get(layer.weights.point),
        activations_error=None if activations is None else errors.get(activations.point),
        bytes_added=layer.bytes_added,
        operations=counted / max(network.whole_operations, 1),
    )
