"""Convolutions of 1 x 1 that skip the same pixels of one value: the pixels are skipped once, before."""

from __future__ import annotations

import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import unused_name


class SharedStridePass(ir.passes.InPlacePass):
    """Where 1 x 1 convolutions of one stride alone read a value (ResNet-50's first form), take every n-th pixel first.

    A MaxPool of 1 x 1 with that stride takes them, and the convolutions have no stride any more: the same function,
    and the pixels are fetched once. OpenVINO moves such strides itself, in between QuantizeLinear and
    DequantizeLinear, and then runs the convolutions in float.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite the main graph."""
        modified = False
        for node in list(model.graph):
            for value in node.outputs:
                strides = _shared_strides(value)
                if strides is not None:
                    _skip_first(model.graph, node, value, strides)
                    modified = True
        return ir.passes.PassResult(model, modified)


def _shared_strides(value: ir.Value) -> list[int] | None:
    """The strides of all convolutions that read `value`, at least two and nothing else."""
    users = [user for user, index in value.uses() if index == 0]
    if len(users) < 2 or len(users) != len(list(value.uses())) or value.is_graph_output():
        return None
    found = [_strides(user) for user in users]
    return found[0] if found[0] is not None and all(strides == found[0] for strides in found) else None


def _strides(node: ir.Node) -> list[int] | None:
    """Strides above 1 of a convolution of 1 x 1 without padding."""
    weight = node.inputs[1] if node.op_type == "Conv" else None
    if weight is None or weight.shape is None or list(weight.shape)[2:] != [1, 1]:
        return None
    strides = list(node.attributes.get_ints("strides", [1, 1]))
    pads = node.attributes.get_ints("pads", [0, 0, 0, 0])
    return strides if max(strides) > 1 and not any(pads) and "auto_pad" not in node.attributes else None


def _skip_first(graph: ir.Graph, node: ir.Node, value: ir.Value, strides: list[int]) -> None:
    users = list(value.uses())
    pool = ir.node("MaxPool", [value], {"kernel_shape": [1, 1], "strides": strides}, name=f"{node.name}_skip")
    pool.outputs[0].name = unused_name(graph, f"{value.name}_skipped")
    graph.insert_after(node, pool)
    for user, index in users:
        user.replace_input_with(index, pool.outputs[0])
        user.attributes.pop("strides", None)
