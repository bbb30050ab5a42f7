"""A trial run of an imported graph: whether every node computes a tensor of the shape that the graph says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor, fx

from gdfq_export.support.fixed_batch.graph_batch import graph_batch

_BATCH = 2


def failing_node(module: fx.GraphModule, graph: ir.Graph, image: Sequence[int]) -> str | None:
    """Name of the first node that raises, or gives another shape than the runtime did; None if there is none.

    Args:
        module: what `import_graph` made of `graph`.
        graph: a canonical graph, whose values have shapes.
        image: shape of one image, `(C, H, W)`.
    """
    batch = graph_batch(graph)
    number = ir.Shape([] if batch is None else [1])  # a number for each piece
    shapes = {str(value.name): value.shape for node in graph for value in node.outputs}
    trial = _Trial(module, {name: number if shape == () else shape for name, shape in shapes.items()})
    try:
        with torch.no_grad():
            trial.run(torch.zeros(batch or _BATCH, *image))
    except _Failure as failure:
        return failure.node
    return None


class _Failure(Exception):
    def __init__(self, node: str) -> None:
        super().__init__(node)
        self.node = node


class _Trial(fx.Interpreter):
    def __init__(self, module: fx.GraphModule, shapes: dict[str, ir.Shape | None]) -> None:
        super().__init__(module)
        self._shapes = shapes

    def run_node(self, n: fx.Node) -> Any:
        """Run one node; raise `_Failure` where the result is not what the graph says."""
        name = n.meta.get("node")
        if name is None:
            return super().run_node(n)
        try:
            result = super().run_node(n)
        except Exception as error:  # torch raises whatever its kernels do
            raise _Failure(name) from error
        if isinstance(result, Tensor) and not _fits(result.shape, self._shapes.get(n.meta.get("value", ""))):
            raise _Failure(name)
        return result


def _fits(found: Sequence[int], shape: ir.Shape | None) -> bool:
    """Whether a shape is one that the graph allows; sizes that it does not know may be any."""
    if shape is None:
        return True
    return len(found) == len(shape) and all(
        size == known or not isinstance(known, int) for size, known in zip(found, shape, strict=True)
    )
