"""The quantized activations of a Q/DQ file: QuantizeLinear, perhaps a Clip of codes, DequantizeLinear.

Only activations whose scale and zero point are constants of one element count: others have no one range to speak of.
Where codes are narrower than their type, values may be clipped in front of QuantizeLinear: that Clip or Relu, which the
float network does not have, belongs to the quantization.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import QdqNode, node_name, producer_of
from gdfq_export.support.quant_params import QuantParams

_TYPES = (ir.DataType.UINT8, ir.DataType.INT8, ir.DataType.UINT16, ir.DataType.INT16)
_CLIPS = ("Clip", "Relu")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedActivation:
    """One quantized activation.

    `tensor` is what is quantized, computed by `node` (its name or, without one, its output; "" for the network's
    input), `codes` the integers that DequantizeLinear reads.
    """

    tensor: str
    node: str
    op_type: str
    codes: str
    params: QuantParams

    @property
    def reads_input(self) -> bool:
        """Whether it is the network's input that is quantized."""
        return not self.op_type

    @property
    def count(self) -> int:
        """How many codes there are."""
        low, high = self.params.code_range
        return high - low + 1


def activation_codes(model: QdqModel) -> tuple[str, ...]:
    """Names of the codes of activations that a DequantizeLinear reads, in graph order.

    Of equal QuantizeLinear nodes the first counts, since runtimes make one of them.
    """
    first: dict[tuple[ir.Value | None, ...], ir.Node] = {}
    names = []
    for pair, writer in _activation_pairs(model):
        if first.setdefault(tuple(writer.node.inputs), writer.node) is writer.node:
            names.append(str(pair.codes.name))
    return tuple(dict.fromkeys(names))


def quantized_activations(
    model: QdqModel, names: Container[str | None] | None = None
) -> tuple[QuantizedActivation, ...]:
    """Every quantized activation once, in graph order; of a tensor quantized several times the first pair.

    A Clip of codes is their limits if they are read with the numbers they were written with; else it is the gate of a
    HardSwish (`simulator/hard_sigmoid.py`), which no value of the float network is. `names` are those of the float
    network's tensors: a Clip or Relu between one of them and QuantizeLinear is taken for limits of the codes.
    """
    found: dict[ir.Value, QuantizedActivation] = {}
    for pair, writer in _activation_pairs(model):
        between = producer_of(pair.codes)
        if between is not writer.node and not (
            between is not None
            and producer_of(input_at(between, 0)) is writer.node
            and model.only_limits(between, pair)
        ):
            continue
        tensor, clip = writer.node.inputs[0], None
        maker = producer_of(tensor)
        if names is not None and maker is not None and maker.op_type in _CLIPS and tensor and tensor.name not in names:
            tensor, clip = input_at(maker, 0), maker
            maker = producer_of(tensor)
        params = _params(model, pair, clip)
        if params is not None and tensor is not None:
            activation = QuantizedActivation(
                tensor=str(tensor.name),
                node="" if maker is None else node_name(maker),
                op_type="" if maker is None else maker.op_type,
                codes=str(pair.codes.name),
                params=params,
            )
            found.setdefault(tensor, activation)
    return tuple(found.values())


def sources_of(model: QdqModel, points: Sequence[QuantizedActivation]) -> Mapping[str, Sequence[str]]:
    """For every point's tensor and the graph's outputs: the nearest quantized tensors it is computed from."""
    by_codes = {point.codes: frozenset({point.tensor}) for point in points}
    nearest: dict[str | None, frozenset[str]] = {}
    for node in model.nodes:
        names = [value.name for value in node.inputs if value is not None]
        before = (by_codes.get(str(name)) or nearest.get(name, frozenset()) for name in names)
        nearest |= dict.fromkeys((value.name for value in node.outputs), frozenset().union(*before))
    wanted = [*(point.tensor for point in points), *(str(output.name) for output in model.graph.outputs)]
    return {name: tuple(sorted(nearest.get(name, ()))) for name in wanted}


def _activation_pairs(model: QdqModel) -> Iterator[tuple[QdqNode, QdqNode]]:
    """DequantizeLinear and QuantizeLinear of every activation."""
    for pair in model.dequantize:
        writer = model.writer(pair)
        if writer is not None and not model.is_constant(writer.node.inputs[0]):
            yield pair, writer


def _params(model: QdqModel, pair: QdqNode, clip: ir.Node | None) -> QuantParams | None:
    """Of codes of 8 or 16 bits with one scale."""
    dtype, codes = pair.dtype, model.code_range(pair, clip)
    if dtype not in _TYPES or dtype is None or pair.step is None or pair.zero is None or codes is None:
        return None
    return QuantParams(scale=np.float32(pair.step), zero_point=pair.zero, dtype=dtype.numpy(), code_range=codes)
