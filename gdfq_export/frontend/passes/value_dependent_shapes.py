"""Values whose shapes follow from what is in the image, not from its size alone: boxes that are found, and the like.

Such a shape cannot be measured at a batch size. A node makes one if its operator does (NonZero), or if it takes sizes
from an input (Reshape) whose elements are computed from the image's. Shape and Size look at no elements.
"""

from __future__ import annotations

import onnx_ir as ir

from gdfq_export.frontend.torch_import.cut import read_by

_ALWAYS = frozenset({"Compress", "If", "Loop", "NonMaxSuppression", "NonZero", "Scan", "SequenceMap", "Unique"})
_SHAPES = frozenset({"Shape", "Size"})
#: Inputs that hold sizes, by operator.
_SIZES = {
    "CenterCropPad": (1,),
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "MaxUnpool": (2,),
    "OneHot": (1,),
    "Pad": (1,),
    "Range": (0, 1, 2),
    "Reshape": (1,),
    "Resize": (2, 3),
    "Slice": (1, 2, 4),
    "Split": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Upsample": (1,),
}


def value_dependent_shapes(graph: ir.Graph) -> frozenset[ir.Value]:
    """The values of `graph`, in topological order, whose shapes depend on elements of its inputs."""
    elements: set[ir.Value] = set(graph.inputs)  # values with elements that depend on the inputs'
    shapes: set[ir.Value] = set()
    for node in graph:
        read = set(read_by(node))
        sized = [node.inputs[index] for index in _SIZES.get(node.op_type, ()) if index < len(node.inputs)]
        shaped = not shapes.isdisjoint(read)
        if node.op_type in _SHAPES:
            elements.update(node.outputs if shaped else ())
            continue
        dependent = not elements.isdisjoint(read)
        elements.update(node.outputs if dependent else ())
        if shaped or (dependent and node.op_type in _ALWAYS) or any(value in elements for value in sized if value):
            shapes.update(node.outputs)
    return frozenset(shapes)
