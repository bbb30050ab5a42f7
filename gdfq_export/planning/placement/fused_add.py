"""Where a runtime adds inside a layer, in the other summand's memory: the layer's output is clipped, not rounded.

OpenVINO's rules (its 2026.4 sources: `FuseConvolutionSumAndConvolutionSumActivation` of the CPU plugin's graph
optimizer, `getNotEmpty` of its low-precision passes, the composer of post-operations; measured on random networks):

1. The Add has two summands of one shape, and one of them is the output of a layer, or of its absorbed activation,
   that only the Add reads. If both are, it is the first one.
2. The other summand may be overwritten: every other reader of what its node computes precedes the Add, and is not that
   layer.
3. The Q/DQ pair behind the layer uses all codes of its type. Then it only clamps: the pair behind the sum is in the
   same kernel, and the first rounding is dropped.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from gdfq_export.planning.placement.graph_nodes import reach


def clipped_summand(add: ir.Node, layer_of: Callable[[ir.Value], ir.Node | None]) -> ir.Value | None:
    """The summand that is clipped and not rounded, if its pair uses all codes; None if the Add has a kernel of its own.

    Args:
        add: an Add.
        layer_of: the layer that alone writes a value, by itself or through an absorbed activation.
    """
    first, second = add.inputs if len(add.inputs) == 2 else (None, None)
    if first is None or second is None or first is second or not _alike(first, second):
        return None
    for value, other in ((first, second), (second, first)):
        layer = layer_of(value)
        if layer is not None and _read_by(value) == [add] and not value.is_graph_output():
            return value if _may_be_overwritten(other, add, layer) else None
    return None


def _alike(first: ir.Value, second: ir.Value) -> bool:
    """Whether two values that the graph computes have the same shape."""
    if any(value.producer() is None for value in (first, second)):
        return False
    return first.shape is not None and first.shape == second.shape


def _may_be_overwritten(value: ir.Value, add: ir.Node, layer: ir.Node) -> bool:
    producer = value.producer()
    outputs = [] if producer is None else producer.outputs
    readers = [reader for output in outputs for reader in _read_by(output) if reader is not add]
    if any(output.is_graph_output() for output in outputs) or layer in readers:
        return False
    return all(add in reach(reader, ir.Node.successors) for reader in readers)


def _read_by(value: ir.Value) -> list[ir.Node]:
    return list(dict.fromkeys(user for user, _ in value.uses()))
