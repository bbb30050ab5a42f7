"""What an integer simulation keeps between batches: encodings, kernels, operators, tables, runtime sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor

from gdfq_export.frontend.torch_import import Op, lower
from gdfq_export.planning.plan import QuantPlan, QuantPoint, Role
from gdfq_export.simulator.accumulator import Accumulator
from gdfq_export.simulator.encoding import Encoding, grid_of
from gdfq_export.simulator.float_region import FloatRegion, RegionConstants
from gdfq_export.simulator.kernel_sets import KERNEL_SETS
from gdfq_export.simulator.lookup import UnaryKernel, lookup_table
from gdfq_export.simulator.schedule import Step, last_reads, schedule
from gdfq_export.simulator.weight_only import WeightOnlyKernel
from gdfq_export.support.quant_params import QuantParams
from gdfq_export.targets import Kernel, find_target

_Made = TypeVar("_Made")


class IntegerState:
    """The graph, the plan and the numbers, and what is made of each node the first time it runs.

    Attributes:
        model: the folded graph.
        plan: which tensors are codes and which kernel computes each node.
        encodings: numbers by the points' keys.
        parameters: float values of initializers, by name.
        kernels: the integer kernels that were named, else those of the plan's target.
        steps: nodes with a kernel, and regions of those that stay float, in the order in which they run.
        last_read: names of values that no step behind the same one of `steps` reads.
        ops: how torch computes the nodes whose kernel computes, by name.
    """

    def __init__(
        self,
        folded: ir.Model,
        plan: QuantPlan,
        encodings: Mapping[str, Encoding],
        parameters: Mapping[str, Tensor],
        *,
        kernels: str | None = None,
    ) -> None:
        self.model = folded
        self.plan = plan
        self.encodings = encodings
        self.parameters = parameters
        self.kernels = KERNEL_SETS[kernels or find_target(plan.target).kernels]
        computed = {planned.node for planned in plan.nodes if planned.on_codes and planned.kernel is not Kernel.MOVE}
        self.ops: dict[str, Op] = {node.name or "": lower(node) for node in folded.graph if node.name in computed}
        self.steps: tuple[Step, ...] = schedule(
            folded, plan, constants=self._constants(), grids=self._activation_grids() if plan.exact else {}
        )
        self.last_read = last_reads(self.steps, {value.name for value in folded.graph.outputs})
        self._opset = folded.opset_imports[""]
        self._made: dict[str, Any] = {}  # by node

    def grid(self, point: QuantPoint) -> QuantParams:
        """The grid of an activation or constant."""
        return grid_of(point, self.encodings[point.key])

    def _activation_grids(self) -> dict[str, QuantParams]:
        activations = (point for point in self.plan.points if point.role in (Role.INPUT, Role.ACTIVATION))
        return {point.tensor: self.grid(point) for point in activations}

    def _constants(self) -> RegionConstants:
        """What float nodes read: the numbers, and where the simulation is exact the codes, as the file has them."""
        stored = (Role.WEIGHT, Role.CONSTANT) if self.plan.exact else ()
        points = [point for point in self.plan.points if point.role in stored and point.block is None]
        biases = {node: point for node, point in self.plan.bias_of.items() if self.plan.by_node[node].kernel is None}
        return RegionConstants(
            numbers=self.parameters,
            codes={point.tensor: (self.encodings[point.key], point.axis) for point in points},
            biases={node: (self.encodings[point.key], point.axis) for node, point in biases.items()},
        )

    def layer(self, node: ir.Node) -> Accumulator:
        """What multiplies with the weight of a layer, made once."""
        x, weight = (self.plan.by_tensor[(value.name if value else "") or ""] for value in node.inputs[:2])
        bias = self.plan.bias_of.get(node.name or "")
        return self._once(node, lambda: self._accumulator(self.ops[node.name or ""], x, weight, bias))

    def _accumulator(self, op: Op, x: QuantPoint, weight: QuantPoint, bias: QuantPoint | None) -> Accumulator:
        encoding, codes = self.encodings[weight.key], None if bias is None else self.encodings[bias.key].codes
        assert encoding.codes is not None
        factor = torch.from_numpy(encoding.codes.astype(np.int32) - encoding.zero_point)
        offset = None if codes is None else torch.from_numpy(codes)
        return Accumulator(op.function, factor, offset, self.grid(x), op.kwargs)

    def moving_node(self, node: ir.Node) -> FloatRegion:
        """What computes a node that moves codes, made once."""
        opsets, points = self.model.opset_imports, self.plan.by_tensor
        return self._once(node, lambda: FloatRegion([node], RegionConstants(), opsets=opsets, wanted=points))

    def weight_only_kernel(self, node: ir.Node) -> WeightOnlyKernel:
        """What multiplies with weights in blocks, made once."""
        point = self.plan.by_tensor[(node.inputs[1].name if node.inputs[1] is not None else "") or ""]
        encoding, exact = self.encodings[point.key], self.plan.exact
        return self._once(node, lambda: WeightOnlyKernel(point, encoding, opset=self._opset, exact=exact))

    def table(self, node: ir.Node, source: QuantParams, result: QuantParams) -> Tensor:
        """The lookup table of a unary node, made once."""
        return self._once(node, lambda: lookup_table(node, source, result, opset=self._opset))

    def unary_kernel(self, node: ir.Node, source: QuantParams, result: QuantParams, rank: int) -> UnaryKernel:
        """What computes a unary node that the runtime is asked for, made once."""
        return self._once(node, lambda: UnaryKernel(node, source, result, opset=self._opset, rank=rank))

    def _once(self, node: ir.Node, make: Callable[[], _Made]) -> _Made:
        name = node.name or ""
        if name not in self._made:
            self._made[name] = make()
        made: _Made = self._made[name]
        return made
