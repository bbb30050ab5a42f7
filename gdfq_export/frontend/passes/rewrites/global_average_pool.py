"""A mean over all spatial axes is a GlobalAveragePool, for which runtimes have integer kernels."""

from __future__ import annotations

import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at, integer_list, unused_name


class GlobalAveragePoolPass(ir.passes.InPlacePass):
    """Rewrite means over the whole image.

    1. `y = ReduceMean(x [N, C, ...], axes {2, ...}, keepdims=1)` becomes `y = GlobalAveragePool(x)`.
    2. With `keepdims=0` it becomes `y_pooled = GlobalAveragePool(x)`, `y = Flatten(y_pooled)`.
    3. `y = AveragePool(x [N, C, H, W])` whose one window is the whole image, without padding, becomes
       `y = GlobalAveragePool(x)`.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite the main graph; shapes of the inputs must be known."""
        modified = False
        for node in list(model.graph):
            if node.op_type == "ReduceMean" and _over_image(node):
                _replace(model.graph, node, flat=not node.attributes.get_int("keepdims", 1))
                modified = True
            elif node.op_type == "AveragePool" and _one_window(node):
                _replace(model.graph, node, flat=False)
                modified = True
        return ir.passes.PassResult(model, modified)


def _over_image(node: ir.Node) -> bool:
    x = node.inputs[0]
    axes = integer_list(input_at(node, 1))
    if x is None or x.shape is None or not 3 <= len(x.shape) <= 5 or axes is None:
        return False
    rank = len(x.shape)
    return sorted(axis % rank for axis in axes) == list(range(2, rank))


def _one_window(node: ir.Node) -> bool:
    x = node.inputs[0]
    if x is None or x.shape is None or len(x.shape) != 4:
        return False
    kernel = list(node.attributes.get_ints("kernel_shape", []))
    padded = any(node.attributes.get_ints("pads", []))
    dilated = any(step != 1 for step in node.attributes.get_ints("dilations", []))
    return kernel == list(x.shape[2:]) and not padded and not dilated


def _replace(graph: ir.Graph, node: ir.Node, *, flat: bool) -> None:
    old = node.outputs[0]
    name = str(old.name)
    x = node.inputs[0]
    assert x is not None and x.shape is not None
    pool = ir.node("GlobalAveragePool", [x], name=node.name)
    pooled = pool.outputs[0]
    pooled.dtype = ir.DataType.FLOAT
    pooled.shape = ir.Shape([*x.shape[:2], *[1] * (len(x.shape) - 2)])
    nodes = [pool]
    if flat:
        pooled.name = unused_name(graph, f"{name}_pooled")
        nodes.append(ir.node("Flatten", [pooled], {"axis": 1}, name=f"{node.name}_flatten"))
    ir.convenience.replace_nodes_and_values(graph, node, [node], nodes, [old], [nodes[-1].outputs[0]])
