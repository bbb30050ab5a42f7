"""Mixed precision: which layers' weights get more bits, decided from sensitivities, costs and limits alone.

ZeroQ (Cai et al., arXiv 2001.00281, section 3.2) measures how far the outputs move when the weights of one layer alone
are quantized (`tuning/weight_sensitivity.py`), and takes the sum over layers for the error of any mix of bits. Here
layers are raised in the order of sensitivity per byte, within what the recipe lets the weights and the file grow. On
imagenet_mobilenetv1_025_224 at W4A8, 1.6 % more bytes take the accuracy drop from 8.0 to 2.7 points (docs/measured.md).
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from gdfq_export.errors import InputError
from gdfq_export.planning.plan import QuantPlan, QuantPoint, Role
from gdfq_export.recipe import Bits, LayerBits, MixedBits


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedPrecision:
    """What `bits.mixed` came to.

    Attributes:
        bits: with exceptions for the raised layers in place of `mixed`.
        sensitivity: relative error of the outputs by the layer whose weights alone were quantized; empty where no
            raised layer costs a byte.
        raised: the raised layers, in the order of sensitivity per byte.
        growth: bytes added to those of all weights, as a ratio.
    """

    bits: Bits
    sensitivity: dict[str, float]
    raised: list[str]
    growth: float


def raise_layers(bits: Bits, mixed: MixedBits, layers: Iterable[str]) -> Bits:
    """The bits with the weights of some layers raised; what the recipe says of a layer by name still holds."""
    raised = {glob.escape(name): LayerBits(weights=mixed.weights) for name in layers}
    return bits.model_copy(update={"mixed": None, "layers": {**raised, **bits.layers}})


def weight_bytes(graph: ir.Graph, plan: QuantPlan) -> dict[str, int]:
    """Bytes that the codes of each layer's weights take in the file, by the layer's name."""
    return {name: count * point.stored_bits // 8 for name, (point, count) in _weights(graph, plan).items()}


def raising_costs(graph: ir.Graph, plan: QuantPlan, raised: QuantPlan) -> dict[str, int]:
    """Bytes that raising a layer adds, by the layer's name, of the layers that may be raised.

    Args:
        graph: the canonical graph that both plans are made for.
        plan: with no layer raised.
        raised: with every layer raised, as far as the recipe and the target allow.
    """
    costs = {}
    for name, (point, count) in _weights(graph, plan).items():
        wider = raised.by_tensor[point.tensor]
        if wider.bits > point.bits:
            costs[name] = count * (wider.stored_bits - point.stored_bits) // 8
    return costs


def mix(
    bits: Bits,
    mixed: MixedBits,
    sizes: Mapping[str, int],
    costs: Mapping[str, int],
    sensitivity: Mapping[str, float],
    *,
    room: int | None = None,
) -> MixedPrecision:
    """Raise the layers of the highest sensitivity per byte.

    Args:
        bits: the recipe's; what it says of a layer by name holds.
        mixed: bits of a raised layer, and the growth allowed.
        sizes: as `weight_bytes` gives them.
        costs: as `raising_costs` gives them.
        sensitivity: by layer; may be empty where no layer costs a byte.
        room: bytes that the file may grow by, besides `mixed.growth`; None sets no such limit.

    Raises:
        InputError: no layer may be raised.
    """
    if not costs:
        raise InputError(
            f"bits.mixed in the recipe raises weights to {mixed.weights} bits, and no layer has fewer that it may "
            "raise; lower bits.weights, or leave bits.mixed out"
        )
    limit = int(mixed.growth * sum(sizes.values()))
    names = allocate(costs, sensitivity, limit if room is None else min(limit, room))
    return MixedPrecision(
        bits=raise_layers(bits, mixed, names),
        sensitivity=dict(sensitivity),
        raised=names,
        growth=sum(costs[name] for name in names) / sum(sizes.values()),
    )


def allocate(costs: Mapping[str, int], sensitivity: Mapping[str, float], limit: int) -> list[str]:
    """Names of the layers to raise: the highest sensitivity per byte first, as long as they fit into the limit.

    Args:
        costs: bytes that raising a layer adds, of those that may be raised; what costs nothing comes first.
        sensitivity: by layer; 0 where a layer is missing.
        limit: bytes that all raised layers may add.

    >>> allocate({"a": 100, "b": 10, "c": 0}, {"a": 5.0, "b": 1.0, "c": 0.0}, 50)
    ['c', 'b']
    """
    raised = []
    for name in sorted(costs, key=lambda name: _per_byte(sensitivity.get(name, 0.0), costs[name]), reverse=True):
        if costs[name] <= limit:
            limit -= costs[name]
            raised.append(name)
    return raised


def _per_byte(sensitivity: float, cost: int) -> tuple[bool, float]:
    return (False, sensitivity / cost) if cost else (True, sensitivity)


def _weights(graph: ir.Graph, plan: QuantPlan) -> dict[str, tuple[QuantPoint, int]]:
    """The weight of each layer, and how many numbers it has, by the layer's name."""
    found = {}
    for node in graph:
        value = node.inputs[1] if len(node.inputs) > 1 else None
        point = None if value is None else plan.by_tensor.get(value.name or "")
        if value is not None and point is not None and point.role is Role.WEIGHT:
            assert node.name is not None and value.const_value is not None
            found[node.name] = point, value.const_value.size
    return found
