"""Average pools in the forms that a runtime computes rightly, where it does not so with the usual ones.

1. `AveragePool` that counts its padding, behind codes whose zero point is not 0: the codes are padded in front of it,
   and it has no padding of its own.
2. `y = GlobalAveragePool(x [N, C, L])` becomes `Squeeze(GlobalAveragePool(Unsqueeze(x) [N, C, L, 1]))`, so that L may
   stay open. `join_signal_pools` is the inverse.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import add_initializer, constant_array, unused_name
from gdfq_export.qdq.reader.nodes import producer_of

_AXIS = 3


def pad_codes(graph: ir.Graph) -> None:
    """Rule 1, everywhere."""
    for pool in list(graph):
        pair = producer_of(pool.inputs[0]) if pool.op_type == "AveragePool" else None
        if pair is None or pair.op_type != "DequantizeLinear" or not pool.attributes.get_int("count_include_pad", 0):
            continue
        pads, zero = list(pool.attributes.get_ints("pads", ())), constant_array(pair.inputs[2])
        if any(pads) and zero is not None and zero.any():
            _pad_in_front(graph, pool, pair, pads)


def split_signal_pools(graph: ir.Graph) -> None:
    """Rule 2, everywhere."""
    pools = [node for node in graph if node.op_type == "GlobalAveragePool" and _rank(node.outputs[0]) == _AXIS]
    if not pools:
        return
    axis = add_initializer(graph, "image_axis", np.array([_AXIS]))
    for pool in pools:
        y, name = pool.outputs[0], pool.outputs[0].name
        image = _named(graph, ir.node("Unsqueeze", [pool.inputs[0], axis], name=""), f"{name}_image")
        pooled = _named(graph, ir.node("GlobalAveragePool", [image.outputs[0]], name=pool.name), f"{name}_pooled")
        signal = ir.node("Squeeze", [pooled.outputs[0], axis], name="")
        ir.convenience.replace_nodes_and_values(graph, pool, [pool], [image, pooled, signal], [y], [signal.outputs[0]])


def join_signal_pools(graph: ir.Graph) -> None:
    """Undo rule 2, wherever a pool stands between two changes of its rank."""
    for pool in [node for node in graph if node.op_type == "GlobalAveragePool"]:
        image, readers = producer_of(pool.inputs[0]), [user for user, _ in pool.outputs[0].uses()]
        if image is None or image.op_type != "Unsqueeze" or [user.op_type for user in readers] != ["Squeeze"]:
            continue
        if all(_changes_rank(node) for node in (image, readers[0])):
            y = readers[0].outputs[0]
            joined = ir.node("GlobalAveragePool", [image.inputs[0]], name=pool.name)
            ir.convenience.replace_nodes_and_values(
                graph, readers[0], [readers[0], pool], [joined], [y], [joined.outputs[0]]
            )
            if not image.outputs[0].uses():
                graph.remove(image, safe=True)


def _pad_in_front(graph: ir.Graph, pool: ir.Node, pair: ir.Node, pads: list[int]) -> None:
    half, name = len(pads) // 2, pool.outputs[0].name
    amounts = np.array([0, 0, *pads[:half], 0, 0, *pads[half:]])
    codes, scale, zero = pair.inputs[:3]
    padding = add_initializer(graph, f"{name}_pads", amounts)
    padded = _named(graph, ir.node("Pad", [codes, padding, zero], name=""), f"{name}_padded_q")
    real = _named(graph, ir.node("DequantizeLinear", [padded.outputs[0], scale, zero], name=""), f"{name}_padded_dq")
    graph.insert_before(pool, [padded, real])
    pool.replace_input_with(0, real.outputs[0])
    for attribute in ("pads", "count_include_pad"):
        del pool.attributes[attribute]


def _changes_rank(node: ir.Node) -> bool:
    axes = constant_array(node.inputs[1]) if len(node.inputs) > 1 else None
    return axes is not None and axes.reshape(-1).tolist() == [_AXIS]


def _rank(value: ir.Value) -> int | None:
    return None if value.shape is None else len(value.shape)


def _named(graph: ir.Graph, node: ir.Node, output: str) -> ir.Node:
    node.outputs[0].name = unused_name(graph, output)
    return node
