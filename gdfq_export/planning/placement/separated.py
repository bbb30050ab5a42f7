"""Which float nodes are separated from the Q/DQ pairs around them, so that the runtime leaves them float.

ONNX Runtime makes one integer kernel of DequantizeLinear -> node -> QuantizeLinear wherever it has one, quantizes the
float weights of layers for that by itself, and takes a Relu or Clip away that QuantizeLinear makes redundant
(`WeightBiasQuantization`, `ReluQuantFusion`; measured with version 1.32). A node that the recipe keeps float would run
in integers again. An operator that changes nothing is put between; where no pair is in front, none is needed.

The other way round, a matrix product in integers whose result a Relu or Clip reads in float would run in float with it
(`GemmActivationFusion`): the same operator stands between the two.

That operator is `LeakyRelu` of slope 1 behind layers, inside of which ONNX Runtime computes it at no cost; elsewhere
`Sum` of one value, which is a copy. Neither is taken away when a file is loaded, and no pass carries a pair past them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import onnx_ir as ir

from gdfq_export.planning.placement.graph_nodes import is_product, name_of
from gdfq_export.planning.placement.kernels import Kernels
from gdfq_export.planning.placement.wide import layer_rule
from gdfq_export.planning.plan import PlannedNode, QuantPoint
from gdfq_export.targets import Kernel
from gdfq_export.targets.operator_traits import LAYERS


def with_separated(kernels: Kernels, points: Iterable[QuantPoint]) -> tuple[PlannedNode, ...]:
    """The planned nodes, marked where they are separated: those that are kept, what vanishes behind them, products."""
    if not kernels.target.fuses_pairs:
        return tuple(kernels.nodes.values())
    walk = _Walk(kernels, {point.tensor for point in points})
    for node in kernels.graph:
        walk.visit(node)
    return tuple(
        dataclasses.replace(planned, separated=name in walk.separated) for name, planned in kernels.nodes.items()
    )


SEPARATOR_IN_FRONT: tuple[str, dict[str, Any]] = ("Sum", {})
"""Operator and attributes of what stands between DequantizeLinear and the first factor of a product."""

_PRODUCTS = (Kernel.GEMM, Kernel.MATMUL)


def separator_behind(node: ir.Node) -> tuple[str, dict[str, Any]]:
    """Operator and attributes of what stands behind a node's result."""
    return ("LeakyRelu", {"alpha": 1.0}) if node.op_type in LAYERS else SEPARATOR_IN_FRONT


class _Walk:
    def __init__(self, kernels: Kernels, quantized: set[str]) -> None:
        self.kernels = kernels
        self.quantized = quantized
        self.separated: set[str] = set()
        self.from_codes: set[ir.Value] = set()  # float values that float nodes compute from dequantized ones
        self.from_kept: set[ir.Value] = set()  # float values that kept nodes compute, themselves or moved or clipped

    def visit(self, node: ir.Node) -> None:
        """Decide for one node, behind all that it reads."""
        planned = self.kernels.nodes[name_of(node)]
        if planned.kernel in _PRODUCTS and self._runs_with_activation(node):
            self.separated.add(planned.node)
        if planned.kernel is None and not self._names(node.outputs) & self.kernels.coded.keys():
            self._visit_float(node)

    def _visit_float(self, node: ir.Node) -> None:
        read = [value for value in node.inputs if value is not None]
        written = self._names(node.outputs)
        from_codes = bool(self._names(read) & self.quantized) or not self.from_codes.isdisjoint(read)
        kept = self._is_kept(node) or (self._vanishes(node) and not self.from_kept.isdisjoint(read))
        if from_codes and kept and (is_product(node) or written & self.quantized):
            self.separated.add(name_of(node))
        passed = [value for value in node.outputs if value.name not in self.quantized]
        self.from_codes.update(passed if from_codes else ())
        self.from_kept.update(passed if kept else ())

    @staticmethod
    def _names(values: Iterable[ir.Value]) -> set[str]:
        return {value.name for value in values if value.name is not None}

    def _is_kept(self, node: ir.Node) -> bool:
        """Whether the recipe keeps a node float; between codes of 16 bits only what the runtime quantizes by itself."""
        if node not in self.kernels.wide:
            return node in self.kernels.kept
        return node.op_type in LAYERS and layer_rule(self.kernels.target, node) is None

    def _runs_with_activation(self, node: ir.Node) -> bool:
        """Whether a Relu or Clip alone reads in float what the node writes in float."""
        readers = [user for user, _ in node.outputs[0].uses()]
        in_float = node.outputs[0].name not in self.quantized and self.kernels.nodes[name_of(node)].absorbed is None
        return in_float and len(readers) == 1 and readers[0].op_type in self.kernels.target.absorbed

    def _vanishes(self, node: ir.Node) -> bool:
        """Whether the runtime may take the node away, or carry a pair past it."""
        rule = self.kernels.target.rules.get(node.op_type)
        vanishing = self.kernels.target.absorbed | {"Identity"}
        return node.op_type in vanishing or (rule is not None and rule.kernel is Kernel.MOVE)
