"""The quantized activations of any Q/DQ file: QuantizeLinear, perhaps a Clip of codes, DequantizeLinear.

Only activations whose scale and zero point are constants of one element count: others have no one range to speak of.
Where codes are narrower than their type, values may be clipped in front of QuantizeLinear: that Clip or Relu, which the
float network does not have, belongs to the quantization.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from gdfq_export.qdq.reader.constants import constant_tensors, scalar_of

__all__ = ["ActivationCodes", "activation_codes", "sources_of"]

_RANGES = {"uint8": (0, 255), "int8": (-128, 127)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationCodes:
    """One quantized activation.

    `tensor` is what is quantized, computed by `node` (its name or, without one, its output; "" for the image), `codes`
    the integers that DequantizeLinear reads, from `code_low` to `code_high`.
    """

    tensor: str
    node: str
    op_type: str
    codes: str
    scale: float
    zero_point: int
    storage_low: int
    code_low: int
    code_high: int

    @property
    def reads_image(self) -> bool:
        """Whether it is the network's input that is quantized."""
        return not self.op_type

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value the codes can say."""
        return (self.code_low - self.zero_point) * self.scale, (self.code_high - self.zero_point) * self.scale

    @property
    def step(self) -> float:
        """Distance of two neighbouring values."""
        return self.scale

    @property
    def count(self) -> int:
        """How many codes there are."""
        return self.code_high - self.code_low + 1

    def dequantize(self, codes: NDArray[np.int32]) -> NDArray[np.float32]:
        """The values of codes (ONNX DequantizeLinear)."""
        values: NDArray[np.float32] = (codes - self.zero_point).astype(np.float32) * np.float32(self.scale)
        return values


def activation_codes(model: onnx.ModelProto, names: Container[str] | None = None) -> tuple[ActivationCodes, ...]:
    """Every quantized activation once, in graph order; of a tensor quantized several times the first pair.

    A Clip of codes is their limits if they are read with the numbers they were written with; else it is the gate of a
    HardSwish (`simulator/hard_sigmoid.py`), which no value of the float network is. `names` are those of the float
    network's tensors: a Clip or Relu between one of them and QuantizeLinear is taken for limits of the codes.
    """
    constants = constant_tensors(model)
    producers = {output: node for node in model.graph.node for output in node.output}
    found: dict[str, ActivationCodes] = {}
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear" or len(node.input) < 2:
            continue
        maker = producers.get(node.input[0])
        code_clip = maker if maker is not None and maker.op_type == "Clip" else None
        if code_clip is not None:
            maker = producers.get(code_clip.input[0])
        if maker is None or maker.op_type != "QuantizeLinear" or maker.input[0] in constants:
            continue
        scale, zero = (_number(constants, node, index) for index in (1, 2))
        if code_clip is not None and (scale, zero) != tuple(_number(constants, maker, index) for index in (1, 2)):
            continue
        dtype = "uint8" if zero is None else zero.dtype.name
        if scale is None or (zero is None and len(node.input) > 2 and node.input[2]) or dtype not in _RANGES:
            continue
        tensor, value_clip = maker.input[0], None
        computed = producers.get(tensor)
        if names is not None and tensor not in names and computed is not None and computed.op_type in _CLIPS:
            value_clip, tensor = computed, computed.input[0]
            computed = producers.get(tensor)
        if tensor in found:
            continue
        zero_point = 0 if zero is None else int(zero)
        (low, high), ends = _RANGES[dtype], []
        for limits, unit, offset in ((code_clip, 1.0, 0), (value_clip, float(scale), zero_point)):
            ends.append([None if end is None else round(end / unit) + offset for end in _limits(constants, limits)])
        found[tensor] = ActivationCodes(
            tensor=tensor,
            node="" if computed is None else computed.name or computed.output[0],
            op_type="" if computed is None else computed.op_type,
            codes=node.input[0],
            scale=float(scale),
            zero_point=zero_point,
            storage_low=low,
            code_low=max([low, *(end[0] for end in ends if end[0] is not None)]),
            code_high=min([high, *(end[1] for end in ends if end[1] is not None)]),
        )
    return tuple(found.values())


_CLIPS = ("Clip", "Relu")


def _limits(
    constants: Mapping[str, onnx.TensorProto], node: onnx.NodeProto | None
) -> tuple[float | None, float | None]:
    """Lower and upper limit of a Clip or a Relu."""
    if node is None:
        return None, None
    if node.op_type == "Relu":
        return 0.0, None
    low, high = (_number(constants, node, index) for index in (1, 2))
    return None if low is None else float(low), None if high is None else float(high)


def _number(constants: Mapping[str, onnx.TensorProto], node: onnx.NodeProto, index: int) -> NDArray[np.generic] | None:
    return scalar_of(constants, node.input[index]) if len(node.input) > index else None


def sources_of(model: onnx.ModelProto, points: Sequence[ActivationCodes]) -> Mapping[str, Sequence[str]]:
    """For every point's tensor and the graph's outputs: the nearest quantized tensors it is computed from."""
    producers = {output: node for node in model.graph.node for output in node.output}
    by_codes = {point.codes: point.tensor for point in points}
    nearest: dict[str, frozenset[str]] = {}

    def before(name: str) -> frozenset[str]:
        if name not in nearest:
            nearest[name] = frozenset()  # a cycle, which a valid graph has not, would end here
            node = producers.get(name)
            reads = () if node is None else node.input
            nearest[name] = frozenset().union(
                *({by_codes[read]} if read in by_codes else before(read) for read in reads if read)
            )
        return nearest[name]

    names = [*(point.tensor for point in points), *(output.name for output in model.graph.output)]
    for node in model.graph.node:  # in graph order, so that recursion stays shallow
        for output in node.output:
            before(output)
    return {name: tuple(sorted(before(name))) for name in names}
