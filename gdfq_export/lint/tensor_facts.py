"""Every quantized tensor of a Q/DQ file, of any tool, as data.

A tensor is what one QuantizeLinear writes, or a Clip of such codes that are then read with other numbers, or one stored
array that a DequantizeLinear reads: as integers, as floats in front of a QuantizeLinear, as INT4 in front of a Cast.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import onnx
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.planning.plan import Role
from gdfq_export.qdq.read_back import key_of
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import QdqNode, node_name, producer_of
from gdfq_export.support.bit_width import bits_of
from gdfq_export.targets.operator_traits import KEEPS_ALL_ELEMENTS, LAYERS


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFacts:
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


def quantized_tensors(file: onnx.ModelProto | QdqModel) -> tuple[TensorFacts, ...]:
    """The quantized tensors of a file in the order of its graph; none of a float file or one of QOperators.

    Raises:
        InputError: the graph is not one that ONNX allows.
    """
    model = QdqModel.of(file)
    found: dict[ir.Value, _Parts] = {}
    for each in model.pairs:
        if each.node.op_type == "DequantizeLinear":
            found.setdefault(_origin(model, each), _Parts()).dequantize.append(each)
        elif not model.is_constant(input_at(each.node, 0)):
            found.setdefault(each.codes, _Parts()).quantize.append(each)
    return tuple(_tensor(model, origin, parts) for origin, parts in found.items())


@dataclass(slots=True)
class _Parts:
    quantize: list[QdqNode] = field(default_factory=list)
    dequantize: list[QdqNode] = field(default_factory=list)

    def value(self, origin: ir.Value) -> ir.Value:
        """What is quantized, else what is stored or written."""
        return (input_at(self.quantize[0].node, 0) if self.quantize else None) or origin


def _origin(model: QdqModel, pair: QdqNode) -> ir.Value:
    """Where codes come from: the stored array, or the output of the QuantizeLinear in front of a Clip.

    A Clip whose codes are read with other numbers writes a tensor of its own.
    """
    codes, constant = pair.codes, model.is_constant(pair.codes)
    value, node = codes, producer_of(codes)
    while node is not None and (constant or model.only_limits(node, pair)):
        before = input_at(node, 0)
        if before is None:
            break
        value, node = before, producer_of(before)
    return value if constant or (node is not None and node.op_type == "QuantizeLinear") else codes


def _tensor(model: QdqModel, origin: ir.Value, parts: _Parts) -> TensorFacts:
    pair = (parts.dequantize or parts.quantize)[0]
    stored = model.is_constant(origin)
    role = _role(model, origin, pair, parts)
    writers = [each.node for each in parts.quantize]
    if stored and (writer := producer_of(pair.codes)) is not None and writer.op_type == "QuantizeLinear":
        writers = [writer]
    numbers = origin.const_value
    return TensorFacts(
        name=_name(origin, parts),
        role=role,
        dtype=pair.dtype_name,
        stored=numbers.dtype.name if stored and numbers is not None else None,
        bits=code_bits(model, pair, role),
        codes=model.codes_used(pair),
        axis=pair.axis,
        scales=1 if pair.scale is None else int(pair.scale.size),
        scale=pair.scale_range,
        zero_point=pair.zero_range,
        bytes=int(numbers.nbytes) if stored and numbers is not None else 0,
        consumers=_consumers(model, origin, parts),
        quantize=tuple(map(node_name, writers)),
        dequantize=tuple(node_name(each.node) for each in parts.dequantize),
    )


def _name(origin: ir.Value, parts: _Parts) -> str:
    """The float tensor's name where a QuantizeLinear reads one, else that of what is stored or written."""
    name = parts.value(origin).name or origin.name or ""
    writer = producer_of(origin)
    return key_of(name) if writer is not None and writer.op_type == "Clip" else name


def _role(model: QdqModel, origin: ir.Value, pair: QdqNode, parts: _Parts) -> Role:
    if not model.is_constant(origin):
        return Role.INPUT if parts.value(origin).is_graph_input() else Role.ACTIVATION
    readers = {
        (user.op_type, index)
        for each in parts.dequantize
        for user, index in _readers_behind_moves(each.node.outputs[0])
    }
    if pair.dtype is ir.DataType.INT32 or readers & {("Conv", 2), ("ConvTranspose", 2), ("Gemm", 2)}:
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


def code_bits(model: QdqModel, pair: QdqNode, role: Role) -> int | None:
    """Bits that the codes of a tensor need, those of weights counted from the zero point; None for other types."""
    codes, zero = model.codes_used(pair), pair.zero_range
    if codes is None:
        return None
    if role is Role.BIAS:
        return 32 if pair.dtype is ir.DataType.INT32 else bits_of(codes, around_zero=True)
    stored_weight = role is Role.WEIGHT and model.numbers(pair.codes) is not None
    if stored_weight and zero is not None and zero[0] == zero[1]:
        codes = codes[0] - zero[0], codes[1] - zero[0]
    return bits_of(codes, around_zero=stored_weight)


def _consumers(model: QdqModel, origin: ir.Value, parts: _Parts) -> tuple[str, ...]:
    """Nodes that read the tensor, dequantized or as codes; the Clips and pairs around it are part of it."""
    names: list[str] = []
    for each in parts.dequantize:
        real = each.node.outputs[0]
        names += [node_name(user) for user, _ in real.uses()]
        if real.is_graph_output():
            names.append(f"graph output {real.name}")
    if not model.is_constant(origin):
        limits = {producer_of(each.codes) for each in parts.dequantize}
        users = (user for user, _ in origin.uses() if user.op_type != "DequantizeLinear" and user not in limits)
        names += [node_name(user) for user in users]
    return tuple(dict.fromkeys(names))
