"""Reading constants of a graph and adding new ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir


def input_at(node: ir.Node, index: int) -> ir.Value | None:
    """The node's input at `index`, None where it is left out."""
    return node.inputs[index] if index < len(node.inputs) else None


def constant_array(value: ir.Value | None) -> np.ndarray | None:
    """The numbers of an initializer, None if `value` is computed, a graph input or left out."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return value.const_value.numpy()


def integer_list(value: ir.Value | None) -> list[int] | None:
    """The integers of a constant 1-D tensor such as axes or pads, None if it is not constant."""
    array = constant_array(value)
    return None if array is None else [int(number) for number in array.reshape(-1)]


def unused_name(graph: ir.Graph, wanted: str) -> str:
    """`wanted`, or `wanted_1`, `wanted_2`, ... if a value of that name exists."""
    taken = {value.name for value in graph.inputs} | set(graph.initializers)
    taken |= {value.name for node in graph for value in node.outputs}
    name, count = wanted, 0
    while name in taken:
        count += 1
        name = f"{wanted}_{count}"
    return name


def add_initializer(graph: ir.Graph, wanted: str, array: np.ndarray[Any, Any]) -> ir.Value:
    """Register `array` as a new initializer named `wanted` (made unique)."""
    name = unused_name(graph, wanted)
    tensor = ir.tensor(np.array(array, order="C"), name=name)
    value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.register_initializer(value)
    return value
