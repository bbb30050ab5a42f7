"""A Q/DQ file of any tool, parsed once, with every number in it that is known before it runs.

Tools write the same thing in different ways: weights as integers or as floats in front of a QuantizeLinear (ModelOpt,
torch), INT4 behind a Cast, bias scales as a product in the graph, ranges as a Clip in front of a QuantizeLinear or of
the codes behind it. Here all of them are numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.qdq.reader.nodes import QdqNode, code_limits, codes_dtype, node_name, producer_of, stored_array
from gdfq_export.qdq.reader.operators import as_qdq
from gdfq_export.targets.operator_traits import MOVES_ELEMENTS

CodeRange = tuple[int, int]
_Ends = tuple[float | None, float | None]

_MOST_CHECKED = 2**31 - 1  # bytes; the checker takes no more from memory

_ARITHMETIC = frozenset({"Add", "Cast", "Clip", "Concat", "DequantizeLinear", "Div", "Mul", "QuantizeLinear", "Sub"})
_EVALUATED = MOVES_ELEMENTS | _ARITHMETIC
_PASSES_CODES = MOVES_ELEMENTS | {"Clip", "DepthToSpace", "MaxPool", "Pad", "SpaceToDepth"}


class QdqModel:
    """The main graph of a file; operators on codes are read as the pairs that they stand for (`operators.py`).

    Args:
        proto: the file with its weights loaded; it is not modified. Where an If is read as its branch, the attribute
            `proto` is the file in that form, whose inner tensors can be returned.
        check: whether ONNX's checker looks at it first; not needed where a runtime has loaded it.

    Raises:
        InputError: the graph is not one that ONNX allows.
    """

    def __init__(self, proto: onnx.ModelProto, *, check: bool = True) -> None:
        try:
            if check and proto.ByteSize() < _MOST_CHECKED:
                onnx.checker.check_model(proto)
            model = as_qdq(ir.from_proto(proto))
            graph = model.graph
            for value in graph.initializers.values():
                if value.const_value is not None:
                    value.const_value.numpy()  # as many numbers as its shape says
        except Exception as error:  # checker and reader raise what they like of a graph that contradicts itself
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"the graph is not what ONNX allows ({reason}); export it again") from error
        inlined = any(node.op_type == "If" for node in proto.graph.node)
        self.proto = ir.to_proto(model) if inlined else proto
        self.graph = graph
        self.nodes: tuple[ir.Node, ...] = tuple(graph)
        self._constants = {value for value in graph.initializers.values() if not value.is_graph_input()}
        for node in self.nodes:
            if all(read is None or read in self._constants for read in node.inputs):
                self._constants.update(node.outputs)
        self._numbers: dict[ir.Value, NDArray[Any] | None] = {}
        self._read: dict[ir.Node, QdqNode] = {}

    @classmethod
    def of(cls, model: onnx.ModelProto | QdqModel, *, check: bool = True) -> QdqModel:
        """The file parsed, where it is not yet."""
        return model if isinstance(model, QdqModel) else cls(model, check=check)

    @property
    def opset(self) -> int:
        """Version of ONNX's own operators, 0 where the file names none."""
        imports = self.proto.opset_import
        return next((entry.version for entry in imports if entry.domain in ("", "ai.onnx")), 0)

    @property
    def quantize(self) -> tuple[QdqNode, ...]:
        """QuantizeLinear nodes in order."""
        return tuple(self.read(node) for node in self.nodes if node.op_type == "QuantizeLinear")

    @property
    def dequantize(self) -> tuple[QdqNode, ...]:
        """DequantizeLinear nodes in order."""
        return tuple(self.read(node) for node in self.nodes if node.op_type == "DequantizeLinear")

    @property
    def pairs(self) -> tuple[QdqNode, ...]:
        """Nodes of both kinds in order."""
        return tuple(self.read(node) for node in self.nodes if node.op_type in ("QuantizeLinear", "DequantizeLinear"))

    def is_constant(self, value: ir.Value | None) -> bool:
        """Whether a value is stored or made of stored ones alone."""
        return value in self._constants

    def numbers(self, value: ir.Value | None) -> NDArray[Any] | None:
        """The value where it is stored or follows from what is stored; None where it is computed at run time."""
        if value is None:
            return None
        if value not in self._numbers:
            self._numbers[value] = self._evaluate(value)
        return self._numbers[value]

    def read(self, node: ir.Node) -> QdqNode:
        """What a QuantizeLinear or DequantizeLinear says."""
        if node not in self._read:
            self._read[node] = self._parse(node)
        return self._read[node]

    def dequantized(self, value: ir.Value | None, through: frozenset[str] = frozenset()) -> QdqNode | None:
        """The DequantizeLinear that a float value comes from, behind the operators `through`."""
        node = producer_of(value)
        while node is not None and node.op_type in through:
            node = producer_of(input_at(node, 0))
        return self.read(node) if node is not None and node.op_type == "DequantizeLinear" else None

    def writer(self, pair: QdqNode, through: frozenset[str] = _PASSES_CODES) -> QdqNode | None:
        """The QuantizeLinear that wrote the codes of a DequantizeLinear, behind what clips or moves them."""
        node = producer_of(pair.codes)
        while node is not None and node.op_type in through:
            node = producer_of(input_at(node, 0))
        return self.read(node) if node is not None and node.op_type == "QuantizeLinear" else None

    def only_limits(self, clip: ir.Node, pair: QdqNode) -> bool:
        """Whether a Clip in front of the DequantizeLinear `pair` only limits codes, which mean what they meant.

        Read with other numbers than they were written with, its codes are a tensor of their own: the gate of a
        HardSwish (`simulator/hard_sigmoid.py`).
        """
        writer = self.writer(pair)
        if writer is None or clip.op_type != "Clip":
            return clip.op_type == "Clip"
        both = ((pair.scale, writer.scale), (pair.zero_point, writer.zero_point))
        return all(ours is None or theirs is None or np.array_equal(ours, theirs) for ours, theirs in both)

    def codes_used(self, pair: QdqNode) -> CodeRange | None:
        """Smallest and largest code there can be: of constants what there is, else what type and Clips leave.

        None where the type is not an integer one.
        """
        stored = self.numbers(pair.codes)
        if pair.dtype is not None and not pair.dtype.is_integer():
            return None
        if stored is not None and stored.size:
            return int(stored.min()), int(stored.max())
        writer = self.writer(pair) if pair.node.op_type == "DequantizeLinear" else pair
        before = None if writer is None else producer_of(input_at(writer.node, 0))
        return self.code_range(pair, before if before is not None and before.op_type == "Clip" else None)

    def code_range(self, pair: QdqNode, clip: ir.Node | None) -> CodeRange | None:
        """Smallest and largest code that the type, Clips of codes and a Clip or Relu of the values in front leave."""
        limits = code_limits(pair.dtype)
        if limits is None:
            return None
        node = producer_of(pair.codes) if pair.node.op_type == "DequantizeLinear" else pair.node
        while node is not None and node.op_type in _PASSES_CODES:
            if node.op_type == "Clip":
                limits = _within(limits, self._bounds(node))
            node = producer_of(input_at(node, 0))
        if clip is None or node is None or node.op_type != "QuantizeLinear":
            return limits
        return _within(limits, self._clipped_codes(clip, self.read(node)))

    def clip_bounds(self, clip: ir.Node) -> tuple[float, float]:
        """Bounds of a Clip or Relu, infinite where there is none."""
        low, high = self._bounds(clip)
        return -np.inf if low is None else low, np.inf if high is None else high

    def _clipped_codes(self, clip: ir.Node, writer: QdqNode) -> _Ends:
        """Codes of the bounds of a Clip of floats, where there is one scale."""
        step, zero = writer.step, writer.zero
        if step is None or zero is None or not step > 0:
            return None, None
        low, high = (None if end is None else float(np.rint(end / step)) + zero for end in self._bounds(clip))
        return low, high

    def _bounds(self, clip: ir.Node) -> _Ends:
        """Of Clip: inputs since operator set 11, attributes before."""
        if clip.op_type == "Relu":
            return 0.0, None
        stored = [self.numbers(input_at(clip, index)) for index in (1, 2)]
        ends = [None if array is None or array.size != 1 else float(array.item()) for array in stored]
        for index, name in enumerate(("min", "max")):
            if ends[index] is None and name in clip.attributes:
                ends[index] = clip.attributes.get_float(name)
        return ends[0], ends[1]

    def _parse(self, node: ir.Node) -> QdqNode:
        scale, zero = self.numbers(input_at(node, 1)), input_at(node, 2)
        codes = node.outputs[0] if node.op_type == "QuantizeLinear" else node.inputs[0]
        if codes is None:
            raise InputError(f"{node.op_type} {node_name(node)} has no input; export the file again")
        zeros = np.zeros((), np.int64) if zero is None else self.numbers(zero)
        axis = node.attributes.get_int("axis", 1)
        rank = None if codes.shape is None else len(codes.shape)
        return QdqNode(
            node=node,
            codes=codes,
            dtype=codes_dtype(node),
            scale=None if scale is None or not scale.size else np.asarray(scale, np.float64),
            zero_point=None if zeros is None or not zeros.size else zeros,
            axis=(axis + rank if axis < 0 and rank else axis) if scale is not None and scale.size > 1 else None,
            block=node.attributes.get_int("block_size", 0),
        )

    def _evaluate(self, value: ir.Value) -> NDArray[Any] | None:
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


def _within(limits: CodeRange, ends: _Ends) -> CodeRange:
    """A range cut by bounds; where they exclude each other, the bound that is met last."""
    (low, high), (below, above) = limits, ends
    low = low if below is None or not below > low else int(below) if below < 2**31 else high
    high = high if above is None or not above < high else int(above) if above > -(2**31) else low
    return min(low, high), high
