"""A Q/DQ graph of any tool, with every number in it that is known before it runs.

Tools write the same thing in different ways: weights as integers or as floats in front of a QuantizeLinear (ModelOpt,
torch), INT4 behind a Cast, bias scales as a product in the graph, ranges as a Clip in front of a QuantizeLinear or of
the codes behind it. Here all of them are numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.qdq.reader.nodes import codes_dtype, dequantized, node_name, producer_of, stored_array
from gdfq_export.targets.operator_traits import MOVES_ELEMENTS

__all__ = ["Grid", "QdqGraph", "code_limits"]

CodeRange = tuple[int, int]

_MOST_CHECKED = 2**31 - 1  # bytes; the checker takes no more from memory

_EVALUATED = MOVES_ELEMENTS | {
    "Add",
    "Cast",
    "Clip",
    "Concat",
    "DequantizeLinear",
    "Div",
    "Mul",
    "QuantizeLinear",
    "Sub",
}
_MOVES_CODES = MOVES_ELEMENTS | {"MaxPool", "Pad"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What one QuantizeLinear or DequantizeLinear says.

    `codes` are the integers that it writes or reads. `scale` and `zero_point` are None where they are computed at run
    time, `zero_point` is 0 where it is left out. `axis` is that of the scales where there are several; `block` the
    number of elements along it that share one, 0 for all.
    """

    node: ir.Node
    codes: ir.Value
    dtype: ir.DataType | None
    scale: np.ndarray | None
    zero_point: np.ndarray | None
    axis: int | None
    block: int

    @property
    def omits_zero_point(self) -> bool:
        """Whether the zero point is left out."""
        return input_at(self.node, 2) is None


class QdqGraph:
    """The main graph of a file.

    Args:
        model: with its weights loaded.

    Raises:
        InputError: the graph is not one that ONNX allows.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        try:
            if model.ByteSize() < _MOST_CHECKED:
                onnx.checker.check_model(model)
            graph = ir.from_proto(model).graph
            for value in graph.initializers.values():
                if value.const_value is not None:
                    value.const_value.numpy()  # as many numbers as its shape says
        except Exception as error:  # checker and reader raise what they like of a graph that contradicts itself
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"the graph is not what ONNX allows ({reason}); export it again") from error
        self.graph = graph
        self.nodes: tuple[ir.Node, ...] = tuple(graph)
        self._constants = {value for value in graph.initializers.values() if not value.is_graph_input()}
        for node in self.nodes:
            if all(read is None or read in self._constants for read in node.inputs):
                self._constants.update(node.outputs)
        self._numbers: dict[ir.Value, np.ndarray | None] = {}
        self._grids: dict[ir.Node, Grid] = {}

    @property
    def quantize(self) -> tuple[ir.Node, ...]:
        """QuantizeLinear nodes in order."""
        return tuple(node for node in self.nodes if node.op_type == "QuantizeLinear")

    @property
    def dequantize(self) -> tuple[ir.Node, ...]:
        """DequantizeLinear nodes in order."""
        return tuple(node for node in self.nodes if node.op_type == "DequantizeLinear")

    def is_constant(self, value: ir.Value | None) -> bool:
        """Whether a value is stored or made of stored ones alone."""
        return value in self._constants

    def numbers(self, value: ir.Value | None) -> np.ndarray | None:
        """The value where it is stored or follows from what is stored; None where it is computed at run time."""
        if value is None:
            return None
        if value not in self._numbers:
            self._numbers[value] = self._evaluate(value)
        return self._numbers[value]

    def grid(self, node: ir.Node) -> Grid:
        """What a QuantizeLinear or DequantizeLinear says."""
        if node not in self._grids:
            self._grids[node] = self._read(node)
        return self._grids[node]

    def dequantized(self, value: ir.Value | None, through: frozenset[str]) -> Grid | None:
        """The grid that a float value comes from, behind operators that only move numbers."""
        node = dequantized(value, through)
        return None if node is None else self.grid(node)

    def writer(self, grid: Grid) -> Grid | None:
        """Of a DequantizeLinear, the QuantizeLinear that wrote its codes, behind what clips or moves them."""
        node = producer_of(grid.codes)
        while node is not None and (node.op_type == "Clip" or node.op_type in _MOVES_CODES):
            node = producer_of(input_at(node, 0))
        return self.grid(node) if node is not None and node.op_type == "QuantizeLinear" else None

    def only_limits(self, clip: ir.Node, grid: Grid) -> bool:
        """Whether a Clip in front of the DequantizeLinear of `grid` only limits codes, which mean what they meant.

        Read with other numbers than they were written with, its codes are a tensor of their own: the gate of a
        HardSwish (`simulator/hard_sigmoid.py`).
        """
        writer = self.writer(grid)
        if writer is None or clip.op_type != "Clip":
            return clip.op_type == "Clip"
        pairs = ((grid.scale, writer.scale), (grid.zero_point, writer.zero_point))
        return all(ours is None or theirs is None or np.array_equal(ours, theirs) for ours, theirs in pairs)

    def codes_used(self, grid: Grid) -> CodeRange | None:
        """Smallest and largest code there can be: of constants what there is, else what type and Clips leave.

        None where the type is not an integer one.
        """
        stored = self.numbers(grid.codes)
        if stored is not None and stored.size and np.issubdtype(np.asarray(stored).astype(np.int64).dtype, np.integer):
            return int(stored.min()), int(stored.max())
        limits = code_limits(grid.dtype)
        if limits is None:
            return None
        low, high = limits
        node = producer_of(grid.codes) if grid.node.op_type == "DequantizeLinear" else grid.node
        while node is not None and (node.op_type == "Clip" or node.op_type in _MOVES_CODES):
            if node.op_type == "Clip":
                low, high = _within(low, high, self._bounds(node))
            node = producer_of(input_at(node, 0))
        if node is not None and node.op_type == "QuantizeLinear":
            clip = producer_of(input_at(node, 0))
            if clip is not None and clip.op_type == "Clip":
                low, high = _within(low, high, self._clipped_codes(clip, self.grid(node)))
        return low, high

    def _clipped_codes(self, clip: ir.Node, grid: Grid) -> tuple[float | None, float | None]:
        """Codes of the bounds of a Clip of floats, where there is one scale."""
        scale, zero = grid.scale, grid.zero_point
        if scale is None or zero is None or scale.size != 1 or not float(scale.reshape(-1)[0]) > 0:
            return None, None
        step, offset = float(scale.reshape(-1)[0]), float(np.asarray(zero, np.float64).reshape(-1)[0])
        low, high = self._bounds(clip)
        return tuple(None if end is None else float(np.rint(end / step)) + offset for end in (low, high))  # type: ignore[return-value]

    def _bounds(self, clip: ir.Node) -> tuple[float | None, float | None]:
        """Of Clip: inputs since operator set 11, attributes before."""
        stored = [self.numbers(input_at(clip, index)) for index in (1, 2)]
        ends = [None if array is None or array.size != 1 else float(array.reshape(-1)[0]) for array in stored]
        for index, name in enumerate(("min", "max")):
            if ends[index] is None and name in clip.attributes:
                ends[index] = clip.attributes.get_float(name)
        return ends[0], ends[1]

    def clip_bounds(self, clip: ir.Node) -> tuple[float, float]:
        """Bounds of a Clip, infinite where there is none."""
        low, high = self._bounds(clip)
        return -np.inf if low is None else low, np.inf if high is None else high

    def _read(self, node: ir.Node) -> Grid:
        scale = self.numbers(input_at(node, 1))
        zero = input_at(node, 2)
        codes = node.outputs[0] if node.op_type == "QuantizeLinear" else node.inputs[0]
        if codes is None:
            raise InputError(f"{node.op_type} {node_name(node)} has no input; export the file again")
        several = scale is not None and scale.size > 1
        axis = node.attributes.get_int("axis", 1)
        rank = None if codes.shape is None else len(codes.shape)
        return Grid(
            node=node,
            codes=codes,
            dtype=codes_dtype(node),
            scale=None if scale is None or not scale.size else np.asarray(scale, np.float64),
            zero_point=np.zeros((), np.int64) if zero is None else _not_empty(self.numbers(zero)),
            axis=(axis + rank if axis < 0 and rank else axis) if several else None,
            block=node.attributes.get_int("block_size", 0),
        )

    def _evaluate(self, value: ir.Value) -> np.ndarray | None:
        stored = stored_array(value)
        node = value.producer()
        if stored is not None:
            return None if value.is_graph_input() else stored
        if node is None or node.op_type not in _EVALUATED or not self.is_constant(value):
            return None
        inputs = {str(read.name): self.numbers(read) for read in node.inputs if read is not None}
        if any(array is None for array in inputs.values()):
            return None
        try:
            results: Any = ReferenceEvaluator(ir.to_proto(node)).run(None, inputs)
            return np.asarray(results[value.index() or 0])
        except Exception:  # types that the reference implementation does not know
            return None


def _not_empty(array: np.ndarray | None) -> np.ndarray | None:
    return None if array is None or not array.size else array


def code_limits(dtype: ir.DataType | None) -> CodeRange | None:
    """Smallest and largest number of an integer type; None for other types."""
    if dtype is None or not dtype.is_integer():
        return None
    bits = int(dtype.bitwidth)
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if dtype.is_signed() else (0, 2**bits - 1)


def _within(low: int, high: int, ends: tuple[float | None, float | None]) -> CodeRange:
    """A range cut by bounds; where they exclude each other, the bound that is met last."""
    below, above = ends
    low = low if below is None or not below > low else int(below) if below < 2**31 else high
    high = high if above is None or not above < high else int(above) if above > -(2**31) else low
    return min(low, high), high
