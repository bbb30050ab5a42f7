"""ONNX graph -> torch.fx GraphModule.

The module computes what the ONNX graph computes, value by value and under the same names: every fx node carries the
ONNX value it holds in `meta["value"]`, and the operator and node in `meta["op_type"]` and `meta["node"]`. A node of
several outputs (Split, TopK) is one fx node that holds the tuple, without `meta["value"]`, and one for each part.
BatchNormalization with constant parameters becomes a real `nn.BatchNorm2d` in eval mode, so that hooks can read its
input and running statistics.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import onnx_ir as ir
from torch import fx, nn

from gdfq_export.errors import InputError
from gdfq_export.frontend.joined_inputs import split_inputs
from gdfq_export.frontend.torch_import.batch_pieces import filled_up, in_pieces, of_images, works_on_rows
from gdfq_export.frontend.torch_import.cut import is_constant, read_by
from gdfq_export.frontend.torch_import.operators import lower
from gdfq_export.frontend.torch_import.parameters import AttributeNames, tensor_from_onnx
from gdfq_export.support.fixed_batch.graph_batch import graph_batch

_OLDEST_OPSET = 18
_BATCH_NORMS: dict[int, type[nn.Module]] = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}


def import_graph(
    model: ir.Model, *, until: str | Sequence[str] | None = None, any_batch: bool = False
) -> fx.GraphModule:
    """Return the torch module, in eval mode, that computes the model's outputs from its inputs.

    Float constants become parameters (one for each ONNX name, however many nodes share it), other constants buffers;
    `module.meta["parameters"]` maps ONNX names to their names in `module.state_dict()`. Any batch size works if it does
    in the graph, or with `any_batch`; gradients flow through everything. One output is a tensor, several are a tuple of
    them. Several inputs are one argument `[N, F]` (`calib.joined_inputs`).

    Args:
        model: a graph of opset 18 or later with an input; several have static sizes behind the batch.
        until: the value or values to return in place of the graph's outputs, for instance what a final Softmax reads.
            Nodes that do not contribute to them are not imported.
        any_batch: a canonical graph that is fixed to a batch is run in pieces of it (`batch_pieces.py`).

    Raises:
        InputError: an operator, or how a node uses it, is not supported; no input; no such value.
    """
    graph = model.graph
    opset = graph.opset_imports.get("", _OLDEST_OPSET)
    if opset < _OLDEST_OPSET:
        raise InputError(f"The graph uses opset {opset}; accepted: {_OLDEST_OPSET} and later, so convert its version.")
    inputs = [value for value in graph.inputs if value.name not in graph.initializers]
    if not inputs:
        raise InputError("The graph has no inputs; accepted: at least one, a batch.")
    batch = graph_batch(graph) if any_batch else None
    return _Import(inputs, batch).run(graph, _find_outputs(graph, until))


def input_shapes(inputs: Sequence[ir.Value]) -> tuple[tuple[int, ...], ...]:
    """Sizes of inputs, without the batch.

    Raises:
        InputError: one is not static.
    """
    shapes = []
    for value in inputs:
        sizes = tuple(size for size in (value.shape or ())[1:] if isinstance(size, int))
        if value.shape is None or len(sizes) != len(value.shape) - 1:
            raise InputError(f"The input {value.name} is {value.shape}; accepted of several inputs: static sizes.")
        shapes.append(sizes)
    return tuple(shapes)


def _find_outputs(graph: ir.Graph, until: str | Sequence[str] | None) -> list[ir.Value]:
    if until is None:
        return list(graph.outputs)
    computed = {value.name: value for node in graph for value in node.outputs}
    names = [until] if isinstance(until, str) else list(until)
    if missing := [name for name in names if name not in computed]:
        raise InputError(f"No node of the graph computes {missing[0]!r}; give the name of a node's output.")
    return [computed[name] for name in names]


def _contributing(outputs: Sequence[ir.Value]) -> set[ir.Node]:
    """Return the nodes that `outputs` depend on; constants depend on none."""
    found: set[ir.Node] = set()
    pending = [output.producer() for output in outputs]
    while pending:
        node = pending.pop()
        if node is not None and node not in found and node.op_type != "Constant":
            found.add(node)
            pending.extend(value.producer() for value in read_by(node))
    return found


class _Import:
    """State of one import: the fx graph under construction and where each ONNX value is in it."""

    def __init__(self, inputs: Sequence[ir.Value], batch: int | None) -> None:
        self.root = nn.Module()
        self.fx_graph = fx.Graph()
        self.names = AttributeNames()
        self.parameters: dict[str, nn.Parameter] = {}
        self.attributes: dict[str, str] = {}
        self.values: dict[ir.Value, fx.Node] = {}
        self.batch = batch
        self.images = self.fx_graph.placeholder(
            self.names.take(str(inputs[0].name) if len(inputs) == 1 else "joined_inputs")
        )
        filled = self.images if self.batch is None else self.call(filled_up, self.images, self.batch)
        if len(inputs) == 1:
            filled.meta.update(value=inputs[0].name, input=True)
            self.values[inputs[0]] = filled
        else:
            self.add_inputs(inputs, filled)

    def call(self, function: Callable[..., Any], *arguments: Any) -> fx.Node:
        return self.fx_graph.call_function(function, arguments)

    def run(self, graph: ir.Graph, outputs: Sequence[ir.Value]) -> fx.GraphModule:
        contributing = _contributing(outputs)
        for node in graph:
            if node in contributing:
                self.add_node(node)
        tensors = tuple(self.tensor(output) for output in outputs)
        if self.batch is not None:
            tensors = tuple(self.call(of_images, tensor, self.images, self.batch) for tensor in tensors)
        self.fx_graph.output(tensors[0] if len(tensors) == 1 else tensors)
        module = fx.GraphModule(self.root, self.fx_graph, class_name="ImportedGraph")
        module.meta["parameters"] = self.attributes
        return module.eval()

    def add_inputs(self, inputs: Sequence[ir.Value], joined: fx.Node) -> None:
        """Take several inputs out of one joined batch."""
        parts = self.call(split_inputs, joined, input_shapes(inputs))
        for index, value in enumerate(inputs):
            part = self.call(operator.getitem, parts, index)
            part.meta.update(value=value.name, input=True)
            self.values[value] = part

    def tensor(self, value: ir.Value) -> fx.Node:
        """Return the fx node that holds `value`; a constant gets its attribute on first use."""
        if value not in self.values:
            attribute = self.names.take(str(value.name))
            tensor = tensor_from_onnx(value)
            if tensor.is_floating_point():
                self.root.register_parameter(attribute, self.parameter(value))
            else:
                self.root.register_buffer(attribute, tensor)
            self.attributes.setdefault(str(value.name), attribute)
            self.values[value] = self.fx_graph.get_attr(attribute)
            self.values[value].meta["value"] = value.name
        return self.values[value]

    def parameter(self, value: ir.Value) -> nn.Parameter:
        name = str(value.name)
        if name not in self.parameters:
            self.parameters[name] = nn.Parameter(tensor_from_onnx(value))
        return self.parameters[name]

    def add_node(self, node: ir.Node) -> None:
        op = lower(node)
        facts = {"op_type": node.op_type, "node": node.name}
        name = self.names.take(str(node.outputs[0].name))
        constants = [value for value in op.inputs[1:] if value is not None and is_constant(value)]
        if node.op_type == "BatchNormalization" and len(constants) == 4:
            result = self.add_batch_norm(node, constants, op.kwargs["epsilon"])
        else:
            arguments = tuple(None if value is None else self.tensor(value) for value in op.inputs)
            whole = self.batch is None or works_on_rows(node)
            function = op.function if whole else in_pieces(op.function, node, op.inputs)
            result = self.fx_graph.create_node("call_function", function, arguments, dict(op.kwargs), name)
        result.meta.update(facts)
        if not op.several:
            result.meta["value"] = node.outputs[0].name
            self.values[node.outputs[0]] = result
            return
        for index, value in enumerate(node.outputs):
            if not value.name:
                continue
            part = self.call(operator.getitem, result, index)
            part.meta.update(facts, value=value.name)
            self.values[value] = part

    def add_batch_norm(self, node: ir.Node, constants: list[ir.Value], epsilon: float) -> fx.Node:
        scale, bias, mean, variance = constants
        x = node.inputs[0]
        assert x is not None
        rank = 4 if x.shape is None else len(x.shape)
        if rank not in _BATCH_NORMS:
            raise InputError(f"BatchNormalization node {node.name!r} has an input of {rank} axes; accepted: 2 to 5.")
        module = _BATCH_NORMS[rank](self.parameter(scale).numel(), eps=epsilon)
        module.weight = self.parameter(scale)
        module.bias = self.parameter(bias)
        module.running_mean = tensor_from_onnx(mean)
        module.running_var = tensor_from_onnx(variance)
        attribute = self.names.take(str(node.name))
        self.root.add_module(attribute, module)
        for value, name in zip(constants, ("weight", "bias", "running_mean", "running_var"), strict=True):
            self.attributes.setdefault(str(value.name), f"{attribute}.{name}")
        return self.fx_graph.call_module(attribute, (self.tensor(x),))
