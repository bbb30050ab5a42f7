"""The table of operators that can be imported: ONNX operator -> torch function, one file a concept.

Constant nodes are not in the table: their outputs are constants, read like initializers.
"""

from __future__ import annotations

import onnx_ir as ir

from gdfq_export.errors import InputError
from gdfq_export.frontend.torch_import.node_reader import Lowering, NodeReader, Op
from gdfq_export.frontend.torch_import.operators import (
    activation,
    comparison,
    convolution,
    elementwise,
    indexing,
    linear,
    normalization,
    pooling,
    reduction,
    resampling,
    sampling,
    shape,
    transposed_convolution,
)

OPERATORS: dict[str, Lowering] = {
    **activation.OPERATORS,
    **comparison.OPERATORS,
    **convolution.OPERATORS,
    **elementwise.OPERATORS,
    **indexing.OPERATORS,
    **linear.OPERATORS,
    **normalization.OPERATORS,
    **pooling.OPERATORS,
    **reduction.OPERATORS,
    **resampling.OPERATORS,
    **sampling.OPERATORS,
    **shape.OPERATORS,
    **transposed_convolution.OPERATORS,
}


def lower(node: ir.Node) -> Op:
    """Return what `node` computes as a torch function.

    Raises:
        InputError: the operator, or how this node uses it, is not supported.
    """
    lowering = OPERATORS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    if lowering is None:
        name = f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type
        raise InputError(
            f"Operator {name} of node {node.name!r} is not supported; supported are {', '.join(sorted(OPERATORS))}."
        )
    return lowering(NodeReader(node))
