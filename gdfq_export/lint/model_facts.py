"""What is in an ONNX file: sizes, operators, quantized tensors and, layer by layer, what is quantized in which bits.

All of it is read from the file. What a runtime makes of it is another question: `verify` asks the runtime.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
from onnx import external_data_helper

from gdfq_export.frontend.passes.accepted_forms.float32 import every_node
from gdfq_export.lint.tensor_facts import TensorFacts, code_bits, quantized_tensors
from gdfq_export.planning.plan import Role
from gdfq_export.qdq.metadata import own_metadata
from gdfq_export.qdq.reader.layers import QdqLayer, read_layers
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import QdqNode
from gdfq_export.targets.operator_traits import MOVES_ELEMENTS, POOLS

_CARRIES = (MOVES_ELEMENTS | POOLS | {"Pad"}) - {"GlobalMaxPool"}
"""Operators behind which a layer's input still counts as quantized, in some runtime; none computes GlobalMaxPool so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueFacts:
    """A graph input or output; open dimensions have their names, or `?`."""

    name: str
    dtype: str
    shape: tuple[int | str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFacts:
    """One convolution or matrix product as it is written.

    Bits are None where a tensor is not quantized; `bias_bits` also where there is no bias. `weight_axis` is that of the
    weight's scales, None for one scale. Zero points are (smallest, largest). `bytes` are those of weight and bias.
    """

    name: str
    op_type: str
    activation_bits: int | None
    weight_bits: int | None
    bias_bits: int | None
    has_bias: bool
    activation_dtype: str | None
    weight_dtype: str | None
    activation_zero_point: tuple[int, int] | None
    weight_zero_point: tuple[int, int] | None
    weight_axis: int | None
    weight_block: int
    weight_scales: int
    bytes: int

    @property
    def numbers(self) -> str:
        """W4A8, W8 or A8 where the other is float, or float."""
        weight = "" if self.weight_bits is None else f"W{self.weight_bits}"
        activation = "" if self.activation_bits is None else f"A{self.activation_bits}"
        return weight + activation or "float"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """Everything a file says of itself; `bytes` with its external data, `metadata` without `gdfq_export.`.

    `quantized_as_written` is the share of layers whose activation and weight both come from a DequantizeLinear, None
    without layers. It is no measurement: a runtime may still run such a layer in float, or another in integers.
    """

    bytes: int
    opsets: dict[str, int]
    ir_version: int
    producer: str
    metadata: dict[str, str]
    inputs: tuple[ValueFacts, ...]
    outputs: tuple[ValueFacts, ...]
    operators: dict[str, int]
    initializer_bytes: dict[str, int]
    quantize_linear: int
    dequantize_linear: int
    integer_operators: dict[str, int]
    layers: tuple[LayerFacts, ...]
    layers_quantized_as_written: int
    quantized_as_written: float | None
    tensors: tuple[TensorFacts, ...]

    @property
    def form(self) -> str:
        """How the file is quantized, in a sentence."""
        if self.quantize_linear or self.dequantize_linear:
            pairs = f"{self.quantize_linear} QuantizeLinear, {self.dequantize_linear} DequantizeLinear"
            return f"Q/DQ: {pairs}" + (f"; {self._integer()}" if self.integer_operators else "")
        if self.integer_operators:
            dynamic = "DynamicQuantizeLinear" in self.integer_operators
            return f"{'dynamic, with scales measured at run time' if dynamic else 'QOperator'}: {self._integer()}"
        return "float: it holds no QuantizeLinear and no DequantizeLinear"

    @property
    def quantized(self) -> bool:
        """Whether there is anything quantized in it."""
        return bool(self.quantize_linear or self.dequantize_linear or self.integer_operators)

    def _integer(self) -> str:
        return ", ".join(f"{count} {name}" for name, count in self.integer_operators.items())

    def to_plain(self) -> dict[str, Any]:
        """The same as JSON types; numbers that JSON does not know become `"nan"`, `"inf"` or `"-inf"`."""
        plain = _plain(dataclasses.asdict(self))
        assert isinstance(plain, dict)
        for layer, facts in zip(plain["layers"], self.layers, strict=True):
            layer["numbers"] = facts.numbers
        return plain

    def to_json(self) -> str:
        """Indented JSON that ends in a newline."""
        return json.dumps(self.to_plain(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def inspect_file(file: onnx.ModelProto | QdqModel, file_bytes: int) -> Inspection:
    """Read every fact of a file.

    Args:
        file: with its weights loaded.
        file_bytes: what it takes on the disk (`bytes_on_disk`).

    Raises:
        InputError: the graph is not one that ONNX allows.
    """
    model = QdqModel.of(file)
    proto = model.proto
    layers = read_layers(model, _CARRIES)
    whole = sum(layer.whole for layer in layers)
    operators = Counter(node.op_type for node in every_node(proto))
    return Inspection(
        bytes=file_bytes,
        opsets={entry.domain or "ai.onnx": entry.version for entry in proto.opset_import},
        ir_version=proto.ir_version,
        producer=" ".join(part for part in (proto.producer_name, proto.producer_version) if part),
        metadata=own_metadata(proto),
        inputs=tuple(map(_value, (value for value in model.graph.inputs if value.const_value is None))),
        outputs=tuple(map(_value, model.graph.outputs)),
        operators=dict(sorted(operators.items(), key=lambda entry: (-entry[1], entry[0]))),
        initializer_bytes=_initializer_bytes(model),
        quantize_linear=operators["QuantizeLinear"],
        dequantize_linear=operators["DequantizeLinear"],
        integer_operators={name: count for name, count in sorted(operators.items()) if _is_integer_operator(name)},
        layers=tuple(_layer(model, layer) for layer in layers),
        layers_quantized_as_written=whole,
        quantized_as_written=whole / len(layers) if layers else None,
        tensors=quantized_tensors(model),
    )


def bytes_on_disk(path: Path) -> int:
    """Bytes of an ONNX file and of the data files that it names; those that are missing count nothing."""
    proto = onnx.load(path, load_external_data=False)
    data = {
        path.parent / external_data_helper.ExternalDataInfo(tensor).location
        for tensor in proto.graph.initializer
        if external_data_helper.uses_external_data(tensor)
    }
    return path.stat().st_size + sum(each.stat().st_size for each in data if each.is_file())


def _value(value: ir.Value) -> ValueFacts:
    shape = value.shape
    sizes = None if shape is None else tuple(size if isinstance(size, int) else size.value or "?" for size in shape)
    return ValueFacts(name=value.name or "", dtype="unknown" if value.dtype is None else value.dtype.name, shape=sizes)


def _initializer_bytes(model: QdqModel) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for value in model.graph.initializers.values():
        if value.const_value is not None:
            found[value.const_value.dtype.name] += int(value.const_value.nbytes)
    return dict(sorted(found.items(), key=lambda entry: -entry[1]))


def _is_integer_operator(name: str) -> bool:
    return name.startswith(("QLinear", "QGemm", "DynamicQuantize")) or "Integer" in name


def _layer(model: QdqModel, layer: QdqLayer) -> LayerFacts:
    activation, weight, bias = layer.activation, layer.weight, layer.bias
    return LayerFacts(
        name=layer.name,
        op_type=layer.op_type,
        activation_bits=_bits(model, activation, Role.ACTIVATION),
        weight_bits=_bits(model, weight, Role.WEIGHT),
        bias_bits=None if bias is None or bias.dtype is None else int(bias.dtype.bitwidth),
        has_bias=layer.has_bias,
        activation_dtype=None if activation is None or activation.dtype is None else activation.dtype.name,
        weight_dtype=None if weight is None or weight.dtype is None else weight.dtype.name,
        activation_zero_point=None if activation is None else activation.zero_range,
        weight_zero_point=None if weight is None else weight.zero_range,
        weight_axis=None if weight is None else weight.axis,
        weight_block=0 if weight is None else weight.block,
        weight_scales=0 if weight is None or weight.scale is None else int(weight.scale.size),
        bytes=sum(_stored_bytes(value) for value in layer.node.inputs[1:3]),
    )


def _bits(model: QdqModel, pair: QdqNode | None, role: Role) -> int | None:
    if pair is None:
        return None
    return code_bits(model, pair, role) or (None if pair.dtype is None else int(pair.dtype.bitwidth))


def _stored_bytes(value: ir.Value | None) -> int:
    """Of the array that a value is made of, codes or floats."""
    while value is not None and value.const_value is None and value.producer() is not None:
        node = value.producer()
        value = node.inputs[0] if node is not None and node.inputs else None
    return 0 if value is None or value.const_value is None or value.is_graph_input() else int(value.const_value.nbytes)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
