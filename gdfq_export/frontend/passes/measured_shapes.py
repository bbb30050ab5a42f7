"""Shapes and types of all values as ONNX Runtime computes them, at two batch sizes.

What differs between the batches depends on the batch; everything else is static. This also resolves shapes that are
computed at run time (Shape, Gather, Concat, Reshape), where inference by rules leaves gaps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.value_dependent_shapes import value_dependent_shapes
from gdfq_export.support.fixed_batch.graph_batch import graph_batch

BATCHES = (2, 3)

_LARGE = 3 * 320 * 320  # numbers of one image


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One tensor at both batches; `shapes` is None where it depends on the elements of the images."""

    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None
    rank: int | None
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


def measure_shapes(model: ir.Model, where: str, *, known_to_run: bool = False) -> dict[str, Measured]:
    """Run `model` on zeros at both batches, or at the one that it is fixed to, and look at every computed value.

    What is known to run is inferred by rules where they have no gaps. So are values of large images, which take
    gigabytes; then only the outputs are computed.

    Raises:
        InputError: ONNX Runtime cannot run the graph at these batches.
    """
    sizes = {str(value.name): static_sizes(value)[1:] for value in model.graph.inputs}
    large = max(map(math.prod, sizes.values()), default=0) > _LARGE
    proto = _returning_all(model)
    runs: list[Mapping[str, np.ndarray]] = []
    fixed = graph_batch(model.graph)
    for batch in BATCHES if fixed is None else (fixed,):
        inferred = _inferred(model, batch) if known_to_run or large else None
        try:
            zeros = {name: np.zeros((batch, *size), np.float32) for name, size in sizes.items()}
            if inferred is None:
                runs.append({name: _emptied(value) for name, value in run_model(proto, zeros).items()})
            else:
                runs.append(inferred)
                if not known_to_run:
                    run_model(ir.to_proto(model), zeros)
        except Exception as error:  # ONNX Runtime's exception types are not public
            raise InputError(
                f"ONNX Runtime cannot run {where} on a batch of {batch} ({_one_line(error)}); "
                "export the network with a dynamic batch dimension and operators ONNX Runtime supports"
            ) from error
    unknown = {str(value.name) for value in value_dependent_shapes(model.graph)}
    tensors = [name for name in runs[0] if isinstance(runs[0][name], np.ndarray)]  # others are sequences
    return {name: _measured((runs[0][name], runs[-1][name]), known=name not in unknown) for name in tensors}


def _returning_all(model: ir.Model) -> onnx.ModelProto:
    """The graph with every computed value as an output."""
    proto = ir.to_proto(model)
    listed = {output.name for output in proto.graph.output}
    del proto.graph.value_info[:]
    for node in proto.graph.node:
        proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in node.output if name and name not in listed)
    for output in proto.graph.output:
        output.ClearField("type")
    return proto


def _inferred(model: ir.Model, batch: int) -> Mapping[str, np.ndarray] | None:
    """What ONNX's inference by rules says of every computed value, as arrays that take no memory; None if it has gaps.

    Windows that are rounded up are left to the runtime.
    """
    if any(node.attributes.get_int("ceil_mode", 0) for node in model.graph if "Pool" in node.op_type):
        return None
    proto = ir.to_proto(model)
    for value in proto.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = batch
    for value in proto.graph.output:
        value.ClearField("type")
    del proto.graph.value_info[:]
    try:
        graph = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph
    except Exception:  # inference raises types of its own; the run says what is wrong
        return None
    found = dict(filter(None, map(_without_memory, (*graph.value_info, *graph.output))))
    computed = {name for node in proto.graph.node for name in node.output if name}
    return {name: found[name] for name in computed} if computed <= set(found) else None


def _emptied(value: Any) -> Any:
    """An array of the same shape and type that takes no memory; what is no array as it is."""
    return np.broadcast_to(np.zeros((), value.dtype), value.shape) if isinstance(value, np.ndarray) else value


def _without_memory(value: onnx.ValueInfoProto) -> tuple[str, np.ndarray] | None:
    """The name of `value` and an array of its shape and type; None where they are not known."""
    kind = value.type.tensor_type
    if not kind.elem_type or not kind.HasField("shape") or not all(d.HasField("dim_value") for d in kind.shape.dim):
        return None
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    return value.name, np.broadcast_to(np.zeros((), dtype), [dim.dim_value for dim in kind.shape.dim])


def _measured(runs: tuple[np.ndarray, np.ndarray], *, known: bool) -> Measured:
    first, second = runs
    rank = first.ndim if first.ndim == second.ndim else None
    shapes = (first.shape, second.shape) if known and rank is not None else None
    return Measured(shapes=shapes, rank=rank, dtype=ir.DataType.from_numpy(first.dtype))


def static_sizes(value: ir.Value) -> list[int]:
    """The dimensions of `value`, 0 for one that is not static."""
    return [size if isinstance(size, int) else 0 for size in value.shape or []]


def annotate_shapes(model: ir.Model, where: str, *, known_to_run: bool = False) -> dict[str, Measured]:
    """Set shape and type of every computed tensor: ints, the batch symbol where a dimension is the batch, else None.

    What was measured is returned; `known_to_run` is that of `measure_shapes`.

    Raises:
        InputError: ONNX Runtime cannot run the graph.
    """
    measured = measure_shapes(model, where, known_to_run=known_to_run)
    shape = model.graph.inputs[0].shape
    symbol = str(shape[0]) if shape is not None else "batch"
    for node in model.graph:
        for value in node.outputs:
            if value.name not in measured:
                continue
            facts = measured[value.name]
            value.type = ir.TensorType(facts.dtype)
            if facts.shapes is not None:
                value.shape = ir.Shape([_dimension(pair, symbol) for pair in zip(*facts.shapes, strict=True)])
            else:
                value.shape = None if facts.rank is None else ir.Shape([None] * facts.rank)
    return measured


def _dimension(pair: tuple[int, int], symbol: str) -> int | str:
    """The size that is `pair` at both batches, as far as it is linear in the batch."""
    step = (pair[1] - pair[0]) // (BATCHES[1] - BATCHES[0])
    rest = pair[0] - step * BATCHES[0]
    if step == 0:
        return pair[0]
    product = symbol if step == 1 else f"{step}*{symbol}"
    return product if rest == 0 else f"{product}{rest:+d}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
