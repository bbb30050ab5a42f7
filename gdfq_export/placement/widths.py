"""How many bits each tensor gets: the recipe's for its kind, and the exceptions that raise them."""

from __future__ import annotations

import fnmatch

import onnx_ir as ir

from gdfq_export.errors import InputError
from gdfq_export.placement.kernels import Kernels
from gdfq_export.placement.nodes import name_of, predecessors, reach, successors
from gdfq_export.recipe import Bits, LayerBits

__all__ = ["Widths"]


class Widths:
    """The recipe's bits, asked for by what reads or writes a tensor.

    1. The first and the last layers, what they read and what lies behind the last keep `first_last`.
    2. Where a layer's output is not yet what a layer reads (in front of an Add, a Mul or an activation function's
       table), it has at least `residual`.
    3. Layers that the recipe names have what it says of them.

    Raises:
        InputError: a name among the recipe's exceptions is no layer's.
    """

    def __init__(self, kernels: Kernels, bits: Bits) -> None:
        _require_layers(bits, kernels)
        self._kernels = kernels
        self._bits = bits
        self._ends = {layer for layer in kernels.layers() if not self._follows(layer) or not self._precedes(layer)}

    def of_weight(self, layer: ir.Node) -> int:
        """Of a layer's weight."""
        own = max(self._bits.weights, self._bits.first_last) if layer in self._ends else self._bits.weights
        return self._exception(layer).weights or own

    def of_output(self, node: ir.Node) -> int:
        """At least this many for what a kernel writes."""
        bits = self._bits
        return bits.activations if self._precedes(node) else max(bits.activations, bits.first_last)

    def of_read(self, value: ir.Value, reader: ir.Node) -> int:
        """At least this many for a value that a kernel reads."""
        wanted = [self._bits.input if value.is_graph_input() else self._bits.activations]
        if reader in self._ends:
            wanted.append(self._bits.first_last)
        producer = self._kernels.coded.get(name_of(value))
        if self._kernels.is_arithmetic(reader) and producer is not None and self._kernels.is_layer(producer):
            wanted.append(self._bits.residual)
        return max(*wanted, self._exception(reader).activations or 0)

    def _follows(self, node: ir.Node) -> bool:
        return any(map(self._kernels.is_layer, reach(node, predecessors)))

    def _precedes(self, node: ir.Node) -> bool:
        return any(map(self._kernels.is_layer, reach(node, successors)))

    def _exception(self, node: ir.Node) -> LayerBits:
        """What the recipe says for this layer alone; of several patterns the last holds."""
        found = LayerBits()
        for pattern, widths in self._bits.layers.items():
            if fnmatch.fnmatchcase(name_of(node), pattern):
                found = widths
        return found


def _require_layers(bits: Bits, kernels: Kernels) -> None:
    layers = [name_of(layer) for layer in kernels.layers()]
    for pattern in bits.layers:
        if not any(fnmatch.fnmatchcase(layer, pattern) for layer in layers):
            raise InputError(
                f"bits.layers names {pattern!r}, and no quantized layer is called so; they are {', '.join(layers)}"
            )
