"""The order in which the integer simulator runs a graph: kernels one by one, float nodes in regions.

What is computed in float between pairs is a float node here; nothing unquantized goes in or out.

1. A kernel's level is the highest of those whose results it reads, 0 behind the input.
2. A float node's level is the highest of the float nodes whose unquantized results it reads, and is above that of
   everything else it reads.
3. Float nodes of one level that pass unquantized values to each other are a region. So nothing that a region reads
   depends on the region, and it runs in front of the kernels of its level.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

import onnx_ir as ir
import torch
from torch import Tensor

from gdfq_export.frontend.torch_import.cut import is_constant, read_by
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.simulator.float_region import FloatRegion, RegionConstants, read_from_outside
from gdfq_export.support.quant_params import QuantParams

Step = ir.Node | FloatRegion


def schedule(
    model: ir.Model,
    plan: QuantPlan,
    *,
    constants: RegionConstants,
    grids: Mapping[str, QuantParams],
) -> tuple[Step, ...]:
    """The steps.

    Args:
        model: the folded graph.
        plan: its plan.
        constants: float values of initializers, those of the graph where absent, and codes.
        grids: of values that regions read and write as codes, by name.
    """
    levels = _Levels(plan)
    for node in model.graph:
        levels.add(node)
    separated = {planned.node for planned in plan.nodes if planned.separated}
    steps: list[tuple[int, bool, Step]] = [
        (level, True, node) for node, level in levels.of.items() if plan.by_node[node.name or ""].on_codes
    ]
    for nodes in levels.regions():
        region = FloatRegion(
            nodes,
            dataclasses.replace(constants, numbers=_numbers(nodes, plan, constants.numbers)),
            opsets=model.opset_imports,
            wanted=plan.by_tensor,
            grids=grids,
            separated=separated,
        )
        if region.outputs:
            steps.append((levels.of[nodes[0]], False, region))
    return tuple(step for _, _, step in sorted(steps, key=lambda entry: entry[:2]))


def last_reads(steps: Sequence[Step], kept: Collection[str | None]) -> tuple[list[str], ...]:
    """For each step, the names of what it reads or computes that no later one reads, except for those `kept`."""
    seen = {*kept}
    found: list[list[str]] = []
    for step in reversed(steps):
        values = [*step.inputs, *step.outputs] if isinstance(step, FloatRegion) else _touched_by(step)
        names = [value.name for value in dict.fromkeys(values) if value.name and value.name not in seen]
        seen.update(names)
        found.append(names)
    return tuple(reversed(found))


def _touched_by(node: ir.Node) -> list[ir.Value]:
    """What a kernel reads and computes; what its readers compute too, since it may have absorbed one of them."""
    readers = [user for value in node.outputs for user, _ in value.uses()]
    return [*read_by(node), *node.outputs, *(value for user in readers for value in user.outputs)]


class _Levels:
    """The level of every node, in graph order, and the regions of those that are float."""

    def __init__(self, plan: QuantPlan) -> None:
        self.of: dict[ir.Node, int] = {}
        self._plan = plan
        self._region: dict[ir.Node, list[ir.Node]] = {}

    def add(self, node: ir.Node) -> None:
        """Enter a node behind all that it depends on."""
        is_float = not self._plan.by_node[node.name or ""].on_codes and node.name not in self._plan.absorbed
        neighbours, level = [], 0
        for value in read_by(node):
            source = value.producer()
            if source is None:
                continue
            if is_float and source in self._region and value.name not in self._plan.by_tensor:
                neighbours.append(source)
                level = max(level, self.of[source])
            else:
                level = max(level, self.of[source] + is_float)
        self.of[node] = level
        if is_float:
            self._region[node] = [node]
            for source in neighbours:
                if self.of[source] == level:
                    self._join(source, node)

    def regions(self) -> list[list[ir.Node]]:
        """The regions, their nodes in graph order."""
        order = {node: index for index, node in enumerate(self.of)}
        regions = {id(nodes): nodes for nodes in self._region.values()}
        return [sorted(nodes, key=order.__getitem__) for nodes in regions.values()]

    def _join(self, first: ir.Node, second: ir.Node) -> None:
        kept, joined = self._region[first], self._region[second]
        if kept is not joined:
            kept.extend(joined)
            self._region.update(dict.fromkeys(joined, kept))


def _numbers(nodes: list[ir.Node], plan: QuantPlan, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a region reads of the graph's initializers as they are; one that is quantized is dequantized in it."""
    found = {}
    for value in read_from_outside(nodes):
        if is_constant(value) and value.name not in plan.by_tensor:
            assert value.const_value is not None
            stored = parameters.get(value.name or "")
            found[value.name or ""] = torch.from_numpy(value.const_value.numpy().copy()) if stored is None else stored
    return found
