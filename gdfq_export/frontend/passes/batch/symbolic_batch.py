"""A batch dimension of any size, also for a graph that was exported with a fixed one, and a fixed one again.

1. The first dimension of every input becomes symbolic; a symbol the user gave keeps its name.
2. A constant Reshape target whose first entry is the fixed batch, on data whose first dimension is the batch, gets 0
   there ("as the input", for which `allowzero` of torch's exporter is taken back).
3. A constant with a row for each image of the fixed batch, which is added to values of that batch or multiplies them,
   becomes one row where all are equal.
4. Shapes recorded for other values are dropped: they are measured again at the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

BATCH_SYMBOL = "batch"
_ROW_BY_ROW = frozenset({"Add", "Sub", "Mul", "Div", "Sum", "Gemm"})


def fixed_batch(proto: onnx.ModelProto) -> int | None:
    """The batch size the first input is fixed to, None if it is dynamic."""
    for value in graph_inputs(proto)[:1]:
        dims = value.type.tensor_type.shape.dim
        if dims and dims[0].HasField("dim_value") and dims[0].dim_value > 0:
            return int(dims[0].dim_value)
    return None


def graph_inputs(proto: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs a user feeds: those that are not initializers as well."""
    weights = {tensor.name for tensor in proto.graph.initializer}
    return [value for value in proto.graph.input if value.name not in weights]


def with_symbolic_batch(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of `proto` that takes any batch."""
    batch = fixed_batch(proto)
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    if batch is not None:
        _free_reshapes(result, batch)
        _free_rows(result, batch)
    for value in graph_inputs(result):
        dims = value.type.tensor_type.shape.dim
        if dims and not dims[0].dim_param:
            dims[0].dim_param = BATCH_SYMBOL
    for value in result.graph.output:
        for dim in value.type.tensor_type.shape.dim:
            dim.Clear()
    del result.graph.value_info[:]
    return result


def without_shapes(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of `proto` without the sizes that it states for outputs and inner values."""
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    for value in result.graph.output:
        for dim in value.type.tensor_type.shape.dim:
            dim.Clear()
    del result.graph.value_info[:]
    return result


def with_fixed_batch(proto: onnx.ModelProto, batch: int) -> onnx.ModelProto:
    """Return a copy of `proto` that takes exactly `batch` images; one that takes no others stays as it is."""
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    if fixed_batch(proto) is not None:
        return result
    for value in (*graph_inputs(result), *result.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    return result


def _free_reshapes(proto: onnx.ModelProto, batch: int) -> None:
    first, constants = _first_dimensions(proto), _constants(proto)
    for index, node in enumerate(proto.graph.node):
        if node.op_type != "Reshape" or first.get(node.input[0]) != batch:
            continue
        target = constants.get(node.input[1])
        if target is None or not target.size or target[0] != batch:
            continue
        name = f"{node.output[0]}_shape_any_batch"
        freed = np.concatenate([[0], target[1:]]).astype(np.int64)
        proto.graph.initializer.append(numpy_helper.from_array(freed, name))
        reshape = proto.graph.node[index]
        reshape.input[1] = name
        kept = [attribute for attribute in reshape.attribute if attribute.name != "allowzero"]
        del reshape.attribute[:]
        reshape.attribute.extend(kept)


def _free_rows(proto: onnx.ModelProto, batch: int) -> None:
    first, constants = _first_dimensions(proto), _constants(proto)
    for node in proto.graph.node:
        others = [name for name in node.input if name not in constants]
        if node.op_type not in _ROW_BY_ROW or all(first.get(name) != batch for name in others):
            continue
        for index, name in enumerate(node.input):
            rows = constants.get(name)
            if rows is None or rows.ndim < 2 or len(rows) != batch or (rows != rows[:1]).any():
                continue
            if node.op_type != "Gemm" or index == 2:
                node.input[index] = f"{node.output[0]}_row_{index}"
                proto.graph.initializer.append(numpy_helper.from_array(rows[:1], node.input[index]))


def _first_dimensions(proto: onnx.ModelProto) -> dict[str, int]:
    """By name of a value, where it is known."""
    inferred = onnx.shape_inference.infer_shapes(proto, data_prop=True)
    values = [*inferred.graph.value_info, *inferred.graph.input]
    dims = {value.name: value.type.tensor_type.shape.dim for value in values}
    return {name: dim[0].dim_value for name, dim in dims.items() if dim and dim[0].HasField("dim_value")}


def _constants(proto: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return constants
