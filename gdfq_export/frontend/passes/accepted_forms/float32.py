"""float16, bfloat16 and double become float32: weights, inputs, outputs and the types that nodes name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, numpy_helper

OTHER_FLOATS = (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
_NO_ARITHMETIC = ("Cast", "CastLike")
_TYPE_ATTRIBUTES = ("to", "dtype")


def in_float32(proto: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Return `proto` in float32, and the other types that it computed in; `proto` itself where it names none.

    A constant that only a Cast reads is no arithmetic: its type is not returned.

    Raises:
        ValueError, TypeError: a weight cannot be read.
    """
    named = any(_types_named(proto))
    if not named:
        return proto, ()
    computed = sorted({_type_name(each) for each in _types_computed(proto)})
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    for graph in _graphs(result):
        for tensor in graph.initializer:
            _convert(tensor)
        for value in (*graph.input, *graph.output, *graph.value_info):
            _retype(value)
    for function in result.functions:
        for value in function.value_info:
            _retype(value)
    for node in every_node(result):
        for entry in node.attribute:
            if entry.type == AttributeProto.TENSOR:
                _convert(entry.t)
            elif entry.name in _TYPE_ATTRIBUTES and entry.i in OTHER_FLOATS:
                entry.i = TensorProto.FLOAT
    return result, tuple(computed)


def _types_named(proto: onnx.ModelProto) -> Iterator[int]:
    for graph in _graphs(proto):
        yield from (tensor.data_type for tensor in graph.initializer if tensor.data_type in OTHER_FLOATS)
        yield from _types_of(graph.input)
        yield from _types_of(graph.output)
    for node in every_node(proto):
        yield from _types_of_attributes(node)


def _types_computed(proto: onnx.ModelProto) -> Iterator[int]:
    """Types of inputs, outputs and of constants that more than a Cast reads, and those that a Cast makes."""
    cast_only = _read_by_casts_alone(proto)
    for graph in _graphs(proto):
        tensors = [tensor for tensor in graph.initializer if tensor.name not in cast_only]
        yield from (tensor.data_type for tensor in tensors if tensor.data_type in OTHER_FLOATS)
        yield from _types_of(graph.input)
        yield from _types_of(graph.output)
    for node in every_node(proto):
        if node.output[0] not in cast_only:
            yield from _types_of_attributes(node)


def _types_of(values: Iterable[onnx.ValueInfoProto]) -> Iterator[int]:
    for value in values:
        if value.type.tensor_type.elem_type in OTHER_FLOATS:
            yield value.type.tensor_type.elem_type


def _types_of_attributes(node: onnx.NodeProto) -> Iterator[int]:
    for entry in node.attribute:
        if entry.type == AttributeProto.TENSOR and entry.t.data_type in OTHER_FLOATS:
            yield entry.t.data_type
        elif entry.name in _TYPE_ATTRIBUTES and entry.i in OTHER_FLOATS:
            yield entry.i


def _read_by_casts_alone(proto: onnx.ModelProto) -> set[str]:
    casts: set[str] = set()
    others: set[str] = set()
    for node in every_node(proto):
        (casts if node.op_type in _NO_ARITHMETIC else others).update(node.input)
    return casts - others


def _graphs(proto: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    yield proto.graph
    for node in every_node(proto):
        for entry in node.attribute:
            if entry.type == AttributeProto.GRAPH:
                yield entry.g


def every_node(proto: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """All nodes, those of functions and of subgraphs included."""
    pending = [*proto.graph.node, *(node for function in proto.functions for node in function.node)]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(inner for entry in node.attribute for inner in entry.g.node)


def _convert(tensor: TensorProto) -> None:
    if tensor.data_type in OTHER_FLOATS:
        with np.errstate(over="ignore"):
            array = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _retype(value: onnx.ValueInfoProto) -> None:
    if value.type.tensor_type.elem_type in OTHER_FLOATS:
        value.type.tensor_type.elem_type = TensorProto.FLOAT


def _type_name(data_type: int) -> str:
    return str(TensorProto.DataType.Name(data_type)).lower()
