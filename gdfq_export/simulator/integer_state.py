"""What an integer simulation keeps between batches: encodings, kernels, operators, tables, runtime sessions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
from torch import Tensor

from gdfq_export.frontend.torch_import import Op, lower
from gdfq_export.planning.plan import QuantPlan, QuantPoint
from gdfq_export.simulator.codes import Grid
from gdfq_export.simulator.encoding import Encoding
from gdfq_export.simulator.kernel_sets import KERNEL_SETS
from gdfq_export.simulator.lookup import UnaryKernel, lookup_table
from gdfq_export.simulator.runtime_node import RuntimeNode
from gdfq_export.simulator.weight_only import WeightOnlyKernel
from gdfq_export.targets import find_target

__all__ = ["IntegerState"]


class IntegerState:
    """The graph, the plan and the numbers, and what is made of each node the first time it runs.

    Attributes:
        model: the folded graph.
        plan: which tensors are codes and which kernel computes each node.
        encodings: numbers by the points' keys.
        parameters: float values of initializers, by name.
        kernels: the integer kernels of the plan's target.
        ops: how torch computes the nodes that have a kernel, by name.
    """

    def __init__(
        self, folded: ir.Model, plan: QuantPlan, encodings: Mapping[str, Encoding], parameters: Mapping[str, Tensor]
    ) -> None:
        self.model = folded
        self.plan = plan
        self.encodings = encodings
        self.parameters = parameters
        self.kernels = KERNEL_SETS[find_target(plan.target).kernels]
        on_codes = {planned.node for planned in plan.nodes if planned.kernel is not None}
        self.ops: dict[str, Op] = {node.name or "": lower(node) for node in folded.graph if node.name in on_codes}
        self._opset = folded.opset_imports[""]
        self._tables: dict[str, Tensor] = {}
        self._unary: dict[str, UnaryKernel] = {}
        self._float_nodes: dict[str, RuntimeNode] = {}
        self._weight_only: dict[str, WeightOnlyKernel] = {}

    def grid(self, point: QuantPoint) -> Grid:
        """The grid of an activation or constant."""
        encoding = self.encodings[point.key]
        code_min, code_max = point.code_range
        storage_min, storage_max = point.storage_range
        return Grid(
            scale=np.float32(encoding.scale),
            zero_point=encoding.zero_point,
            code_min=code_min,
            code_max=code_max,
            storage_min=storage_min,
            storage_max=storage_max,
        )

    def float_node(self, node: ir.Node) -> RuntimeNode:
        """What computes a node that stays float, made once."""
        name = node.name or ""
        if name not in self._float_nodes:
            self._float_nodes[name] = RuntimeNode(node, opset=self._opset)
        return self._float_nodes[name]

    def weight_only_kernel(self, node: ir.Node) -> WeightOnlyKernel:
        """What multiplies with weights in blocks, made once."""
        name, weight = node.name or "", node.inputs[1]
        if name not in self._weight_only:
            point = self.plan.by_tensor[(weight.name if weight is not None else "") or ""]
            self._weight_only[name] = WeightOnlyKernel(
                point, self.encodings[point.key], opset=self._opset, exact=self.plan.exact
            )
        return self._weight_only[name]

    def table(self, node: ir.Node, source: Grid, result: Grid) -> Tensor:
        """The lookup table of a unary node, made once."""
        name = node.name or ""
        if name not in self._tables:
            self._tables[name] = lookup_table(node, source, result, opset=self._opset)
        return self._tables[name]

    def unary_kernel(self, node: ir.Node, source: Grid, result: Grid, rank: int) -> UnaryKernel:
        """What computes a unary node that the runtime is asked for, made once."""
        name = node.name or ""
        if name not in self._unary:
            self._unary[name] = UnaryKernel(node, source, result, opset=self._opset, rank=rank)
        return self._unary[name]
