"""Outputs of a graph that keeps its fixed batch have a row for each image."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.constants.constant import add_initializer, unused_name
from gdfq_export.frontend.passes.measured_shapes import static_sizes
from gdfq_export.support.fixed_batch.graph_batch import graph_batch


class RowForImagePass(ir.passes.InPlacePass):
    """Put an axis in front of outputs that one image gives without it: `[classes]` becomes `[1, classes]`.

    1. The graph is fixed to a batch of 1; shapes are known.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the outputs of the main graph; their names stay."""
        graph, modified = model.graph, False
        for index, value in enumerate(graph.outputs):
            if graph_batch(graph) != 1 or value.producer() is None or static_sizes(value)[:1] == [1]:
                continue
            name = str(value.name)
            value.name = unused_name(graph, f"{name}_without_batch")
            axes = add_initializer(graph, f"{name}_axes", np.array([0], np.int64))
            unsqueeze = ir.node("Unsqueeze", [value, axes], name=f"Unsqueeze_{name}")
            unsqueeze.outputs[0].name = name
            graph.append(unsqueeze)
            graph.outputs[index] = unsqueeze.outputs[0]
            modified = True
        return ir.passes.PassResult(model, modified)


def require_rows_of_images(graph: ir.Graph, where: str) -> None:
    """Check that some output has the batch in front; the others are taken for values of no single image.

    Raises:
        InputError: none has.
    """
    batch = graph_batch(graph)
    if not any(static_sizes(value)[:1] == [batch] for value in graph.outputs):
        shapes = ", ".join(f"{value.name} {static_sizes(value)}" for value in graph.outputs)
        raise InputError(
            f"{where} is built for a batch of exactly {batch} and has no output with a row for each image ({shapes}); "
            "export it with outputs [N, ...] and a dynamic batch dimension"
        )
