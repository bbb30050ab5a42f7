"""Every quantized tensor of a Q/DQ file, of any tool, as data.

A tensor is what one QuantizeLinear writes, or a Clip of such codes that are then read with other numbers, or one stored
array that a DequantizeLinear reads: as integers, as floats in front of a QuantizeLinear, as INT4 in front of a Cast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import onnx
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.planning.plan import Role
from gdfq_export.qdq.read_back import key_of
from gdfq_export.qdq.reader.graph import Grid, QdqGraph
from gdfq_export.qdq.reader.nodes import node_name, producer_of
from gdfq_export.support.bit_width import bits_of
from gdfq_export.targets.operator_traits import KEEPS_ALL_ELEMENTS, LAYERS

__all__ = ["QuantizedTensor", "read_quantized_tensors", "tensors_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedTensor:
    """One quantized tensor.

    `dtype` is the type of its codes, `stored` that of the array in the file (None for activations), `bytes` the room
    it takes there. `codes` are the smallest and largest code, `bits` what these need. `scale` and `zero_point` are the
    smallest and largest, None where they are computed at run time. `consumers` are node names; `quantize` and
    `dequantize` the nodes around it.
    """

    name: str
    role: Role
    dtype: str
    stored: str | None
    bits: int | None
    codes: tuple[int, int] | None
    axis: int | None
    scales: int
    scale: tuple[float, float] | None
    zero_point: tuple[int, int] | None
    bytes: int
    consumers: tuple[str, ...]
    quantize: tuple[str, ...]
    dequantize: tuple[str, ...]


def read_quantized_tensors(model: onnx.ModelProto) -> tuple[QuantizedTensor, ...]:
    """The quantized tensors of a file in the order of its graph; none of a float file or one of QOperators.

    Raises:
        InputError: the graph is not one that ONNX allows.
    """
    return tensors_of(QdqGraph(model))


def tensors_of(graph: QdqGraph) -> tuple[QuantizedTensor, ...]:
    """The same, of a graph that was read already."""
    found: dict[ir.Value, _Parts] = {}
    for node in graph.nodes:
        if node.op_type == "QuantizeLinear" and not graph.is_constant(input_at(node, 0)):
            found.setdefault(node.outputs[0], _Parts()).quantize.append(node)
        elif node.op_type == "DequantizeLinear":
            grid = graph.grid(node)
            parts = found.setdefault(_origin(graph, grid), _Parts())
            parts.dequantize.append(node)
    return tuple(_tensor(graph, origin, parts) for origin, parts in found.items())


@dataclass(slots=True)
class _Parts:
    quantize: list[ir.Node] = field(default_factory=list)
    dequantize: list[ir.Node] = field(default_factory=list)


def _origin(graph: QdqGraph, grid: Grid) -> ir.Value:
    """Where codes come from: the stored array, or the output of the QuantizeLinear in front of a Clip.

    A Clip whose codes are read with other numbers writes a tensor of its own.
    """
    codes, constant = grid.codes, graph.is_constant(grid.codes)
    value, node = codes, producer_of(codes)
    while node is not None and (constant or graph.only_limits(node, grid)):
        before = input_at(node, 0)
        if before is None:
            break
        value, node = before, producer_of(before)
    return value if constant or (node is not None and node.op_type == "QuantizeLinear") else codes


def _tensor(graph: QdqGraph, origin: ir.Value, parts: _Parts) -> QuantizedTensor:
    grid = graph.grid((parts.dequantize or parts.quantize)[0])
    stored = graph.is_constant(origin)
    role = _role(graph, origin, grid, parts)
    codes = graph.codes_used(grid)
    writers = parts.quantize
    if stored and (writer := producer_of(grid.codes)) is not None and writer.op_type == "QuantizeLinear":
        writers = [writer]
    numbers = origin.const_value
    return QuantizedTensor(
        name=_name(origin, parts),
        role=role,
        dtype="unknown" if grid.dtype is None else grid.dtype.name,
        stored=numbers.dtype.name if stored and numbers is not None else None,
        bits=None if codes is None else _bits(codes, grid, role),
        codes=codes,
        axis=grid.axis,
        scales=1 if grid.scale is None else int(grid.scale.size),
        scale=None if grid.scale is None else _ends(grid.scale),
        zero_point=None if grid.zero_point is None else _whole_ends(grid.zero_point),
        bytes=int(numbers.nbytes) if stored and numbers is not None else 0,
        consumers=_consumers(graph, origin, parts),
        quantize=tuple(map(node_name, writers)),
        dequantize=tuple(map(node_name, parts.dequantize)),
    )


def _name(origin: ir.Value, parts: _Parts) -> str:
    """The float tensor's name where a QuantizeLinear reads one, else that of what is stored or written."""
    value = input_at(parts.quantize[0], 0) if parts.quantize else origin
    name = (value.name if value is not None else None) or origin.name or ""
    writer = producer_of(origin)
    return key_of(name) if writer is not None and writer.op_type == "Clip" else name


def _role(graph: QdqGraph, origin: ir.Value, grid: Grid, parts: _Parts) -> Role:
    if not graph.is_constant(origin):
        value = input_at(parts.quantize[0], 0) if parts.quantize else origin
        return Role.INPUT if value is not None and value.is_graph_input() else Role.ACTIVATION
    readers = {
        (user.op_type, index) for node in parts.dequantize for user, index in _readers_behind_moves(node.outputs[0])
    }
    if grid.dtype is ir.DataType.INT32 or readers & {("Conv", 2), ("ConvTranspose", 2), ("Gemm", 2)}:
        return Role.BIAS
    if any(op_type in LAYERS and index < 2 for op_type, index in readers):
        return Role.WEIGHT
    return Role.CONSTANT


def _readers_behind_moves(value: ir.Value) -> list[tuple[ir.Node, int]]:
    readers: list[tuple[ir.Node, int]] = []
    for user, index in value.uses():
        if user.op_type in KEEPS_ALL_ELEMENTS:
            readers.extend(_readers_behind_moves(user.outputs[0]))
        else:
            readers.append((user, index))
    return readers


def _bits(codes: tuple[int, int], grid: Grid, role: Role) -> int:
    if role is Role.BIAS:
        return 32 if grid.dtype is ir.DataType.INT32 else bits_of(codes, centred=True)
    if role is not Role.WEIGHT:
        return bits_of(codes, centred=False)
    zero = np.zeros(1) if grid.zero_point is None else np.asarray(grid.zero_point, np.int64).reshape(-1)
    if zero.size and (zero == zero[0]).all():
        codes = codes[0] - int(zero[0]), codes[1] - int(zero[0])
    return bits_of(codes, centred=True)


def _consumers(graph: QdqGraph, origin: ir.Value, parts: _Parts) -> tuple[str, ...]:
    """Nodes that read the tensor, dequantized or as codes; the Clips and pairs around it are part of it."""
    names: list[str] = []
    for node in parts.dequantize:
        names += [node_name(user) for user, _ in node.outputs[0].uses()]
        if node.outputs[0].is_graph_output():
            names.append(f"graph output {node.outputs[0].name}")
    if not graph.is_constant(origin):
        limits = {producer_of(graph.grid(node).codes) for node in parts.dequantize}
        users = (user for user, _ in origin.uses() if user.op_type != "DequantizeLinear" and user not in limits)
        names += [node_name(user) for user in users]
    return tuple(dict.fromkeys(names))


def _ends(array: np.ndarray) -> tuple[float, float]:
    """Smallest and largest; NaN where there is one."""
    return (float(array.min()), float(array.max())) if array.size else (math.nan, math.nan)


def _whole_ends(array: np.ndarray) -> tuple[int, int]:
    whole = np.asarray(array).astype(np.int64)
    return (int(whole.min()), int(whole.max())) if whole.size else (0, 0)
