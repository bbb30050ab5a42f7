"""One form of a fully connected layer: Gemm with its weight as [outputs, inputs]."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import add_initializer, constant_array, input_at, unused_name


class GemmPass(ir.passes.InPlacePass):
    """Rewrite fully connected layers to `Gemm(x [N, K], w [M, K], bias [M], transB=1)` without alpha and beta.

    1. `MatMul(x, w)` with w a constant of rank 2 becomes `Gemm(x, w transposed, transB=1)`; between two Reshapes, if x
       has positions, [N, ..., K].
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
    """Whether a constant matrix is multiplied with rows, or with positions whose number is known but for one axis."""
    x, weight = node.inputs[0], constant_array(node.inputs[1])
    if x is None or x.shape is None or weight is None or weight.ndim != 2 or len(x.shape) < 2:
        return False
    return len(x.shape) == 2 or len([size for size in x.shape[:-1] if not isinstance(size, int)]) <= 1


def _from_matmul(graph: ir.Graph, node: ir.Node) -> None:
    x, weight = node.inputs
    array = constant_array(weight)
    assert x is not None and x.shape is not None and weight is not None and array is not None
    inputs, outputs = array.shape
    last, bias = _with_added_bias(graph, node, outputs)
    added: list[ir.Node] = []
    rows = x if len(x.shape) == 2 else _reshaped(graph, added, x, [-1, inputs], last)
    gemm = ir.node(
        "Gemm",
        [rows, add_initializer(graph, f"{weight.name}_transposed", array.T), *bias],
        {"transB": 1},
        name=node.name,
    )
    added.append(gemm)
    result = gemm.outputs[0]
    if len(x.shape) > 2:
        result.type = node.outputs[0].type
        result.name = unused_name(graph, f"{last.outputs[0].name}_rows")
        result.shape = ir.Shape([None, outputs])
        sizes = [size if isinstance(size, int) else -1 for size in x.shape[:-1]]
        result = _reshaped(graph, added, result, [*sizes, outputs], last)
    old = [node] if last is node else [last, node]
    ir.convenience.replace_nodes_and_values(graph, last, old, added, [last.outputs[0]], [result])


def _reshaped(graph: ir.Graph, added: list[ir.Node], x: ir.Value, sizes: list[int], layer: ir.Node) -> ir.Value:
    """A Reshape of x, appended to `added`; names are made of what the layer writes."""
    name = layer.outputs[0].name
    shape = add_initializer(graph, f"{name}_shape", np.array(sizes, np.int64))
    added.append(ir.node("Reshape", [x, shape], name=f"{name}_reshape_{len(added)}"))
    result = added[-1].outputs[0]
    result.name = unused_name(graph, f"{name}_reshaped_{len(added)}")
    result.type, result.shape = x.type, ir.Shape([None if size < 0 else size for size in sizes])
    return result


def _with_added_bias(graph: ir.Graph, node: ir.Node, outputs: int) -> tuple[ir.Node, list[ir.Value]]:
    """The last node of the layer and its bias [outputs], where an Add of a constant is all that reads the product."""
    product = node.outputs[0]
    uses = list(product.uses())
    if len(uses) != 1 or product.is_graph_output() or uses[0].node.op_type != "Add" or product.shape is None:
        return node, []
    add = uses[0].node
    other = add.inputs[1 - uses[0].idx]
    numbers = constant_array(other)
    if other is None or numbers is None or numbers.ndim > len(product.shape) or numbers.size not in (1, outputs):
        return node, []
    if numbers.size != 1 and numbers.shape[-1] != outputs:
        return node, []
    flat = np.broadcast_to(numbers.reshape(-1), (outputs,))
    return add, [other if other.shape == flat.shape else _broadcast(graph, other, flat)]


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
