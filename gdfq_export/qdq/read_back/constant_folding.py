"""A quantized file as a graph whose constants are numbers: what a runtime folds when it loads is folded here.

1. A fixed batch becomes any batch, since images are simulated many at a time, where that computes the same.
2. Constant nodes become initializers; whatever is computed from constants alone (the scale of a bias, the Cast of INT4
   weights, a QuantizeLinear of float weights) is computed once, by the runtime itself. DequantizeLinear stays.
3. Of QuantizeLinear nodes with equal inputs one stays.
4. Identity and Dropout go, every node has a name, every value its type.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes import common

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.accepted_forms.image_input import take_float_images
from gdfq_export.frontend.passes.batch.symbolic_batch import fixed_batch, graph_inputs, with_symbolic_batch
from gdfq_export.frontend.passes.batch.two_batches import same_on_two_batches
from gdfq_export.frontend.passes.constants.constant_reshape import ConstantReshapePass
from gdfq_export.frontend.passes.dropout import DropoutToIdentityPass
from gdfq_export.frontend.passes.measured_shapes import measure_shapes
from gdfq_export.qdq.reader.operators import as_qdq
from gdfq_export.simulator.session import one_thread_session

_BITS = "stored bits"
_STANDARD = ("", "ai.onnx")
_WHERE = "the quantized file"


def prepare(model: onnx.ModelProto) -> ir.Model:
    """The graph of a file, in the form above; `model` is not modified.

    Raises:
        InputError: it has no inputs, or other than standard operators.
    """
    inputs = graph_inputs(model)
    if len(inputs) != 1 and not (inputs and all(map(_is_batch_of_one_size, inputs))):
        names = ", ".join(value.name for value in inputs) or "none"
        raise InputError(f"a file is simulated with batches of a static size as inputs, and this one has {names}")
    try:
        model = ir.to_proto(as_qdq(ir.from_proto(model)))
    except InputError:
        raise
    except Exception as error:  # what the parser raises of a graph that contradicts itself
        raise InputError(f"the graph is not what ONNX allows ({_one_line(error)}); write it again") from error
    for node in model.graph.node:
        if node.domain not in _STANDARD:
            raise refusal(node, f"is an operator of {node.domain}, not of ONNX")
        if node.op_type == "DynamicQuantizeLinear":
            raise refusal(node, "measures the scale of its input while it runs")
    model, _ = take_float_images(model)
    try:
        model = _for_any_batch(model)
        prepared = ir.from_proto(onnx.shape_inference.infer_shapes(model))
    except Exception as error:  # the checker raises a dozen types of its own
        reason = _one_line(error)
        raise InputError(f"the types of the quantized file cannot be inferred ({reason}); write it again") from error
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(prepared)
    DropoutToIdentityPass()(prepared)
    common.IdentityEliminationPass()(prepared)
    prepared.graph.sort()
    common.NameFixPass()(prepared)
    for named in prepared.graph:
        named.name = named.name or f"{named.op_type}_{named.outputs[0].name}"
    _fold(prepared)
    _fix_shapes(prepared)
    _join_equal_quantizers(prepared.graph)
    return prepared


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _is_batch_of_one_size(value: onnx.ValueInfoProto) -> bool:
    sizes = [dim.dim_value for dim in value.type.tensor_type.shape.dim[1:]]
    return min(sizes, default=0) > 0


def _for_any_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    freed = model if fixed_batch(model) is None else with_symbolic_batch(model)
    return freed if freed is model or same_on_two_batches(model, freed) else model


def _fix_shapes(model: ir.Model) -> None:
    """Computed Reshape targets become constants."""
    if any(node.op_type == "Reshape" and not is_constant(node.inputs[1]) for node in model.graph):
        ConstantReshapePass(measure_shapes(model, _WHERE))(model)
        common.RemoveUnusedNodesPass()(model)


def _join_equal_quantizers(graph: ir.Graph) -> None:
    first: dict[tuple[ir.Value | None, ...], ir.Value] = {}
    for node in list(graph):
        if node.op_type != "QuantizeLinear" or node.outputs[0].is_graph_output():
            continue
        codes = first.setdefault(tuple(node.inputs), node.outputs[0])
        if codes is not node.outputs[0]:
            node.outputs[0].replace_all_uses_with(codes)
            graph.remove(node, safe=True)


def refusal(node: ir.Node | onnx.NodeProto, reason: str) -> InputError:
    """The error for a node that cannot be simulated; `reason` continues the node's name."""
    name = node.name or (node.output if isinstance(node, onnx.NodeProto) else node.outputs)[0]
    return InputError(f"{node.op_type} {name} {reason}: no exact simulation of it exists")


def is_constant(value: ir.Value | None) -> bool:
    """Whether a value is a number of the file."""
    return value is not None and value.const_value is not None and not value.is_graph_input()


def stored_bits(value: ir.Value) -> int:
    """Bits of the type that a constant has in the file, before a Cast."""
    if _BITS in value.meta:
        return int(value.meta[_BITS])
    assert value.const_value is not None
    return round(8 * value.const_value.dtype.itemsize)


def _fold(model: ir.Model) -> None:
    graph = model.graph
    folded = _foldable(graph)
    if not folded:
        return
    needed = _read_outside(folded)
    for value, array in zip(needed, _computed(model, folded, needed), strict=True):
        _replace(graph, value, array)
    for node in reversed(folded):
        graph.remove(node, safe=True)


def _foldable(graph: ir.Graph) -> list[ir.Node]:
    """Nodes that compute with constants only."""
    known: set[ir.Value] = {value for value in graph.initializers.values() if is_constant(value)}
    folded: list[ir.Node] = []
    for node in graph:
        if node.op_type != "DequantizeLinear" and node.inputs and all(x is None or x in known for x in node.inputs):
            folded.append(node)
            known.update(node.outputs)
    return folded


def _replace(graph: ir.Graph, value: ir.Value, array: np.ndarray) -> None:
    tensor = ir.tensor(array, name=value.name)
    constant = ir.Value(name=value.name, const_value=tensor, shape=ir.Shape(array.shape))
    constant.type = ir.TensorType(tensor.dtype)
    constant.meta[_BITS] = _bits_before_cast(value)
    value.replace_all_uses_with(constant, replace_graph_outputs=True)
    value.name = None
    graph.register_initializer(constant)


def _read_outside(nodes: list[ir.Node]) -> list[ir.Value]:
    """Values of nodes that something else reads."""
    inside = set(nodes)
    values = [value for node in nodes for value in node.outputs]
    return [value for value in values if value.is_graph_output() or any(user not in inside for user, _ in value.uses())]


def _computed(model: ir.Model, nodes: list[ir.Node], needed: list[ir.Value]) -> list[np.ndarray]:
    sources = {str(value.name): value for node in nodes for value in node.inputs if value is not None}
    proto = onnx.GraphProto(name="constants")
    proto.node.extend(ir.to_proto(node) for node in nodes)
    for name, value in sources.items():
        if value.const_value is None:
            continue
        tensor = ir.to_proto(value.const_value)
        tensor.name = name
        proto.initializer.append(tensor)
    proto.output.extend(onnx.ValueInfoProto(name=value.name) for value in needed)
    try:
        found: list[np.ndarray] = one_thread_session(proto, model.opset_imports[""]).run(None, {})
    except Exception as error:  # the binding raises a dozen types of its own
        reason = " ".join(str(error).split())[:200]
        raise refusal(nodes[0], f"cannot be computed from its constants ({reason})") from error
    return found


def _bits_before_cast(value: ir.Value) -> int:
    node = value.producer()
    source = value if node is None or node.op_type != "Cast" else node.inputs[0]
    assert source is not None and source.dtype is not None
    return round(8 * source.dtype.itemsize)
