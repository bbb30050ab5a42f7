"""How many bits each tensor gets: the recipe's bits for its kind, and the exceptions that raise them."""

from __future__ import annotations

import fnmatch

import onnx_ir as ir

from gdfq_export.errors import InputError
from gdfq_export.planning.placement.graph_nodes import name_of, reach, required, rule_of
from gdfq_export.planning.placement.kernels import Kernels
from gdfq_export.recipe import Bits, LayerBits
from gdfq_export.recipe.explain import hint
from gdfq_export.targets import BLOCK_BITS, Kernel, Output

WHOLE_BITS = 8
"""Of the type that holds a code."""


class Widths:
    """The recipe's bits for what a node reads or writes.

    1. The first and the last layers, their inputs and everything behind the last layer have at least `first_last`.
    2. The output of a layer that an Add, a Mul or an activation function's table reads has at least `residual`, and so
       has a sum that goes into the next one without an activation function between (MobileNetV2's residual edges).
    3. What no layer reads, directly or moved, has at least `others`.
    4. What a node reads that `keep_float` keeps float has all eight bits: fewer would save it nothing.
    5. Layers that the recipe names have the bits it gives them.
    6. No weight has more than the target can use, and none in blocks more than 4.

    Raises:
        InputError: a name among the recipe's exceptions is no layer's.
    """

    def __init__(self, kernels: Kernels, bits: Bits) -> None:
        _require_layers(bits, kernels)
        self.recipe = bits
        self._kernels = kernels
        self._ends = {
            layer for layer in kernels.layers() if not self._follows_a_layer(layer) or not self._precedes_a_layer(layer)
        }

    def of_weight(self, layer: ir.Node) -> int:
        """Bits of a layer's weight."""
        default = max(self.recipe.weights, self.recipe.first_last) if layer in self._ends else self.recipe.weights
        wanted = self._exception(layer).weights or default
        if self._kernels.nodes[name_of(layer)].kernel is Kernel.WEIGHT_ONLY:
            return min(wanted, BLOCK_BITS)
        return min(wanted, self._kernels.target.weight.most_bits)

    def of_output(self, node: ir.Node) -> int:
        """The fewest bits of what a kernel writes."""
        bits = max(map(self._of_value, self._kernels.writer(node).outputs))
        return bits if self._precedes_a_layer(node) else max(bits, self.recipe.first_last)

    def of_read(self, value: ir.Value, reader: ir.Node) -> int:
        """The fewest bits of a value that a kernel reads."""
        wanted = [self.recipe.input if value.is_graph_input() else self._of_value(value)]
        if reader in self._ends:
            wanted.append(self.recipe.first_last)
        producer = self._kernels.coded.get(name_of(value))
        if self._kernels.is_arithmetic(reader) and producer is not None:
            sums = producer.op_type == reader.op_type == "Add" and value.producer() is producer
            if sums or self._kernels.is_layer(producer):
                wanted.append(self.recipe.residual)
        return max(*wanted, self._exception(reader).activations or 0)

    def _of_value(self, value: ir.Value) -> int:
        """`activations` of what a layer reads, `others` of what none does, all of what a node reads that is kept."""
        if any(user in self._kernels.kept for user, _ in value.uses()):
            return WHOLE_BITS
        others = self.recipe.others
        return self.recipe.activations if others is None or self._feeds_a_layer(value) else others

    def _feeds_a_layer(self, value: ir.Value) -> bool:
        """Whether a layer reads the value, or what has the same codes."""
        for user, _ in value.uses():
            rule = self._kernels.rule(user)
            if rule is not None and rule.weight is not None:
                return True
            if rule is not None and rule.output is Output.INPUT_SCALE and any(map(self._feeds_a_layer, user.outputs)):
                return True
        return False

    def _follows_a_layer(self, node: ir.Node) -> bool:
        return any(map(self._kernels.has_weight, reach(node, ir.Node.predecessors)))

    def _precedes_a_layer(self, node: ir.Node) -> bool:
        return any(map(self._kernels.has_weight, reach(node, ir.Node.successors)))

    def _exception(self, node: ir.Node) -> LayerBits:
        """The recipe's exceptions for this layer; where several patterns match, the last one wins."""
        if not self._kernels.has_weight(node):
            return LayerBits()
        found: dict[str, int] = {}
        for pattern, widths in self.recipe.layers.items():
            if _matches(pattern, node, self._kernels):
                found |= widths.model_dump(exclude_none=True)
        return LayerBits(**found)


def _matches(pattern: str, layer: ir.Node, kernels: Kernels) -> bool:
    """Whether a key of `bits.layers` is, or matches, the name of the layer or of its weight."""
    return any(name == pattern or fnmatch.fnmatchcase(name, pattern) for name in _names(layer, kernels))


def _require_layers(bits: Bits, kernels: Kernels) -> None:
    layers = [node for node in kernels.graph if kernels.has_weight(node)]
    for pattern in bits.layers:
        if not any(_matches(pattern, layer, kernels) for layer in layers):
            names = [name for layer in layers for name in _names(layer, kernels)]
            raise InputError(
                f"bits.layers in the recipe: no quantized layer or weight is called {pattern!r}{hint(pattern, names)}; "
                "gdfq-export quantize --dry-run lists them"
            )


def _names(layer: ir.Node, kernels: Kernels) -> tuple[str, str]:
    rule = rule_of(kernels.target, layer)
    assert rule is not None and rule.weight is not None
    return name_of(layer), name_of(required(layer, rule.weight))
