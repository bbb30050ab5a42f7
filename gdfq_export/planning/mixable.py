"""What mixed precision may raise: bits of weights and of layer inputs, and what more of them cost."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import onnx_ir as ir

from gdfq_export.planning.operations import multiply_accumulates
from gdfq_export.planning.plan import QuantPlan, QuantPoint, Role
from gdfq_export.recipe import Bits, LayerBits, MixedBits

_WHOLE_BITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """The bits of one quantized tensor, named by its point: the fewest, and those it may be raised to."""

    point: str
    fewest: int
    most: int

    @property
    def choices(self) -> tuple[int, ...]:
        """One entry where the tensor may not be raised."""
        return tuple(dict.fromkeys((self.fewest, self.most)))


@dataclass(frozen=True, slots=True, kw_only=True)
class MixableLayer:
    """A layer with integer weights.

    Attributes:
        name: of its node.
        weights: of its weights.
        decides: no earlier layer has the same weights.
        activations: of its input, by its scale group, which several layers may read; None where it is float.
        bytes_added: by which the file grows if the weights are raised.
        operations: multiply-accumulates for one image.
    """

    name: str
    weights: Widths
    decides: bool
    activations: Widths | None
    bytes_added: int
    operations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixable:
    """The layers with integer weights, in the order of computation, and the bytes of all weights at fewest bits."""

    layers: tuple[MixableLayer, ...]
    weight_bytes: int

    def points(self, *, limited_operations: bool) -> list[str]:
        """Keys of the tensors whose bits cost something: bytes, or operations where these are limited."""
        found: dict[str, None] = {}
        for layer in self.layers:
            for each, costs in ((layer.activations, False), (layer.weights, layer.bytes_added > 0)):
                if each is not None and len(each.choices) > 1 and (costs or limited_operations):
                    found[each.point] = None
        return list(found)

    @property
    def has_choices(self) -> bool:
        """Whether anything may be raised, at a cost or not."""
        return bool(self.points(limited_operations=True))

    @property
    def whole_operations(self) -> int:
        """Bit operations for one image with 8 bits everywhere."""
        return sum(layer.operations for layer in self.layers if layer.activations is not None) * _WHOLE_BITS**2

    @property
    def fewest_operations(self) -> int:
        """Bit operations for one image with the fewest bits everywhere."""
        total = 0
        for layer in self.layers:
            weights = layer.weights.fewest if layer.decides else layer.weights.most
            total += 0 if layer.activations is None else layer.operations * weights * layer.activations.fewest
        return total


def raise_layers(bits: Bits, mixed: MixedBits, weights: Iterable[str], activations: Iterable[str] = ()) -> Bits:
    """The bits with weights and inputs of some layers raised; what the recipe says of a layer by name still holds."""
    raised = {glob.escape(name): LayerBits(weights=mixed.weights, activations=None) for name in weights}
    for name in map(glob.escape, activations):
        own = raised.get(name, LayerBits(weights=None, activations=None))
        raised[name] = own.model_copy(update={"activations": mixed.activations})
    return bits.model_copy(update={"mixed": None, "layers": {**raised, **bits.layers}})


def raise_all(bits: Bits, mixed: MixedBits, graph: ir.Graph, plan: QuantPlan) -> Bits:
    """The bits with everything raised that `mixed` may raise; `plan` is of the graph, with nothing raised."""
    names = [node.name or "" for node, _ in _layers(graph, plan)]
    return raise_layers(bits, mixed, names, () if mixed.activations is None else names)


def mixable(graph: ir.Graph, plan: QuantPlan, raised: QuantPlan) -> Mixable:
    """What may be raised, and what that costs.

    Args:
        graph: the canonical graph that both plans are made for.
        plan: with nothing raised.
        raised: with everything raised, as far as the recipe and the target allow.
    """
    layers: list[MixableLayer] = []
    sizes: dict[str, int] = {}
    for node, point in _layers(graph, plan):
        value, data = node.inputs[1], node.inputs[0]
        assert value is not None and value.const_value is not None and data is not None
        wider, count = raised.by_tensor[point.tensor], value.const_value.size
        read = None if point.block is not None else plan.by_tensor.get(data.name or "")
        first = point.tensor not in sizes
        sizes[point.tensor] = count * point.stored_bits // 8
        layers.append(
            MixableLayer(
                name=node.name or "",
                weights=_widths(point.key, point, wider),
                decides=first,
                activations=None if read is None else _widths(read.group, read, raised.by_tensor[read.tensor]),
                bytes_added=count * (wider.stored_bits - point.stored_bits) // 8 if first else 0,
                operations=multiply_accumulates(node),
            )
        )
    return Mixable(layers=tuple(layers), weight_bytes=sum(sizes.values()))


def _widths(key: str, point: QuantPoint, raised: QuantPoint) -> Widths:
    return Widths(point=key, fewest=point.bits, most=max(point.bits, raised.bits))


def _layers(graph: ir.Graph, plan: QuantPlan) -> Iterator[tuple[ir.Node, QuantPoint]]:
    """Each layer with integer weights, and the point of these."""
    for node in graph:
        value = node.inputs[1] if len(node.inputs) > 1 else None
        point = None if value is None else plan.by_tensor.get(value.name or "")
        if point is not None and point.role is Role.WEIGHT:
            yield node, point
