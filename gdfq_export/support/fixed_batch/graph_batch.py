"""The batch that a graph is fixed to."""

from __future__ import annotations

import onnx_ir as ir


def graph_batch(graph: ir.Graph) -> int | None:
    """The first size of the first input that is no initializer; None where it is open, or where there is none."""
    shape = next((value.shape for value in graph.inputs if not value.is_initializer()), None)
    size = shape[0] if shape else None
    return size if isinstance(size, int) and size > 0 else None
