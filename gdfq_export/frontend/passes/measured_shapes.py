"""Shapes and types of all values as ONNX Runtime computes them, at two batch sizes.

What differs between the batches depends on the batch; everything else is static. This also resolves shapes that are
computed at run time (Shape, Gather, Concat, Reshape), where inference by rules leaves gaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime

from gdfq_export.errors import InputError

BATCHES = (2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One value at both batches."""

    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    dtype: ir.DataType


def run_model(proto: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Run all outputs in ONNX Runtime on one thread, graph optimisation off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def measure_shapes(model: ir.Model, where: str) -> dict[str, Measured]:
    """Run `model` on zeros at both batches and look at every computed value.

    Raises:
        InputError: ONNX Runtime cannot run the graph at these batches.
    """
    proto = ir.to_proto(model)
    listed = {output.name for output in proto.graph.output}
    del proto.graph.value_info[:]
    for node in proto.graph.node:
        proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in node.output if name and name not in listed)
    for output in proto.graph.output:
        output.ClearField("type")
    runs = []
    for batch in BATCHES:
        feeds = {
            str(value.name): np.zeros([batch, *static_sizes(value)[1:]], np.float32) for value in model.graph.inputs
        }
        try:
            runs.append(run_model(proto, feeds))
        except Exception as error:  # ONNX Runtime's exception types are not public
            raise InputError(
                f"ONNX Runtime cannot run {where} on a batch of {batch} ({_one_line(error)}); "
                "export the network with a dynamic batch dimension and operators ONNX Runtime supports"
            ) from error
    return {name: _measured(name, runs[0][name], runs[1][name], where) for name in runs[0]}


def _measured(name: str, first: np.ndarray, second: np.ndarray, where: str) -> Measured:
    if first.ndim != second.ndim:
        raise InputError(f"the value {name} of {where} changes its rank with the batch; such a graph is not supported")
    return Measured(shapes=(first.shape, second.shape), dtype=ir.DataType.from_numpy(first.dtype))


def static_sizes(value: ir.Value) -> list[int]:
    """The dimensions of `value`, 0 for one that is not static."""
    return [size if isinstance(size, int) else 0 for size in value.shape or []]


def annotate_shapes(model: ir.Model, where: str) -> None:
    """Set shape and type of every computed value: ints, and the batch symbol where a dimension is the batch.

    Raises:
        InputError: a dimension changes with the batch but is no multiple of it.
    """
    measured = measure_shapes(model, where)
    shape = model.graph.inputs[0].shape
    symbol = str(shape[0]) if shape is not None else "batch"
    for node in model.graph:
        for value in node.outputs:
            if not value.name:
                continue
            facts = measured[value.name]
            pairs = zip(*facts.shapes, strict=True)
            value.shape = ir.Shape([_dimension(pair, symbol, value.name, where) for pair in pairs])
            value.type = ir.TensorType(facts.dtype)


def _dimension(pair: tuple[int, int], symbol: str, name: str, where: str) -> int | str:
    if pair[0] == pair[1]:
        return pair[0]
    times, rest = divmod(pair[0], BATCHES[0])
    if rest or pair[1] != times * BATCHES[1]:
        raise InputError(
            f"the value {name} of {where} has a dimension that is {pair[0]} for {BATCHES[0]} images and {pair[1]} for "
            f"{BATCHES[1]}; only dimensions proportional to the batch are supported"
        )
    return symbol if times == 1 else f"{times}*{symbol}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
