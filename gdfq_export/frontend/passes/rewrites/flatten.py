"""A Reshape that lays each image out as one row is a Flatten, however the exporter wrote it."""

from __future__ import annotations

import math

import onnx_ir as ir

from gdfq_export.support.fixed_batch.graph_batch import graph_batch


class FlattenPass(ir.passes.InPlacePass):
    """Rewrite `Reshape(x [batch, a, b, ...]) -> [batch, a * b * ...]` to `Flatten(x, axis=1)`.

    1. The first dimension of input and output is the batch symbol, or the batch that the graph is fixed to; all others
       are static.
    2. The output has rank 2, and its second dimension is the product of the input's other dimensions.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite the main graph; shapes must be known."""
        modified, batch = False, graph_batch(model.graph)
        for node in model.graph:
            if node.op_type != "Reshape" or not _one_row_an_image(node, batch):
                continue
            node.resize_inputs(1)
            node.attributes.clear()
            node.attributes["axis"] = ir.AttrInt64("axis", 1)
            node.op_type = "Flatten"
            modified = True
        return ir.passes.PassResult(model, modified)


def _one_row_an_image(node: ir.Node, batch: int | None) -> bool:
    x, y = node.inputs[0], node.outputs[0]
    if x is None or x.shape is None or y.shape is None or len(y.shape) != 2 or len(x.shape) < 2:
        return False
    rest = [size for size in list(x.shape)[1:] if isinstance(size, int)]
    in_front = not isinstance(x.shape[0], int) or x.shape[0] == batch
    same_batch = in_front and str(x.shape[0]) == str(y.shape[0])
    return same_batch and len(rest) == len(x.shape) - 1 and y.shape[1] == math.prod(rest)
