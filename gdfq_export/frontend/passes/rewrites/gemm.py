"""One form of a fully connected layer: Gemm with its weight as [outputs, inputs]."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import add_initializer, constant_array, input_at


class GemmPass(ir.passes.InPlacePass):
    """Rewrite fully connected layers to `Gemm(x [N, K], w [M, K], bias [M], transB=1)` without alpha and beta.

    1. `MatMul(x, w)` with x of rank 2 and w a constant of rank 2 becomes `Gemm(x, w transposed, transB=1)`.
    2. If an Add of a constant that broadcasts to [M] is its only consumer, that constant becomes the bias.
    3. Gemm with constant weight and transB=0 gets the transposed weight.
    4. alpha and beta other than 1 are multiplied into constant weight and bias (in float64, rounded once).
    5. A constant bias of another shape than [M] is broadcast to it.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite the main graph; ranks of the inputs must be known."""
        modified = False
        for node in list(model.graph):
            if node.op_type == "MatMul" and _is_linear(node):
                _from_matmul(model.graph, node)
                modified = True
            elif node.op_type == "Gemm":
                modified = _tidy(model.graph, node) or modified
        return ir.passes.PassResult(model, modified)


def _is_linear(node: ir.Node) -> bool:
    x, weight = node.inputs[0], constant_array(node.inputs[1])
    return x is not None and x.shape is not None and len(x.shape) == 2 and weight is not None and weight.ndim == 2


def _from_matmul(graph: ir.Graph, node: ir.Node) -> None:
    x, weight = node.inputs
    array = constant_array(weight)
    assert weight is not None and array is not None
    inputs = [x, add_initializer(graph, f"{weight.name}_transposed", array.T)]
    last = node
    bias = _added_bias(node, array.shape[1])
    if bias is not None:
        last, value, numbers = bias
        inputs.append(value if value.shape == numbers.shape else _broadcast(graph, value, numbers))
    gemm = ir.node("Gemm", inputs, {"transB": 1}, name=node.name)
    old = [node] if last is node else [last, node]
    ir.convenience.replace_nodes_and_values(graph, last, old, [gemm], [last.outputs[0]], [gemm.outputs[0]])


def _added_bias(node: ir.Node, outputs: int) -> tuple[ir.Node, ir.Value, np.ndarray] | None:
    product = node.outputs[0]
    uses = list(product.uses())
    if len(uses) != 1 or product.is_graph_output() or uses[0].node.op_type != "Add":
        return None
    add = uses[0].node
    other = add.inputs[1 - uses[0].idx]
    numbers = constant_array(other)
    if other is None or numbers is None or numbers.ndim > 2 or numbers.size not in (1, outputs):
        return None
    if numbers.size != 1 and numbers.shape[-1] != outputs:
        return None
    return add, other, np.broadcast_to(numbers.reshape(-1), (outputs,))


def _broadcast(graph: ir.Graph, value: ir.Value, numbers: np.ndarray) -> ir.Value:
    return add_initializer(graph, f"{value.name}_flat", numbers)


def _tidy(graph: ir.Graph, node: ir.Node) -> bool:
    weight, bias = node.inputs[1], input_at(node, 2)
    array, numbers = constant_array(weight), constant_array(bias)
    if weight is None or array is None or (bias is not None and numbers is None):
        return False
    attributes = node.attributes
    alpha, beta = attributes.get_float("alpha", 1.0), attributes.get_float("beta", 1.0)
    transposed = bool(attributes.get_int("transB", 0))
    modified = not transposed or alpha != 1.0
    if modified:
        wanted = array if transposed else array.T
        scaled = (wanted.astype(np.float64) * alpha).astype(np.float32)
        suffix = "scaled" if transposed else "transposed"
        node.replace_input_with(1, add_initializer(graph, f"{weight.name}_{suffix}", scaled))
    if bias is not None and numbers is not None:
        flat = _flat_bias(numbers, beta, array.shape[0 if transposed else 1])
        if flat is not None:
            node.replace_input_with(2, _broadcast(graph, bias, flat))
            modified = True
    for key in ("alpha", "beta"):
        attributes.pop(key, None)
    attributes["transB"] = ir.AttrInt64("transB", 1)
    return modified


def _flat_bias(numbers: np.ndarray, beta: float, outputs: int) -> np.ndarray | None:
    """The bias as [outputs], times beta; None where it is so already or does not broadcast."""
    if numbers.size not in (1, outputs) or (beta == 1.0 and numbers.shape == (outputs,)):
        return None
    return np.broadcast_to((numbers.astype(np.float64).reshape(-1) * beta).astype(np.float32), (outputs,))
