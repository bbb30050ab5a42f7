"""The quantized activations of any Q/DQ file: QuantizeLinear, perhaps a Clip of codes, DequantizeLinear.

Only activations whose scale and zero point are constants of one element count: others have no one range to speak of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

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


def activation_codes(model: onnx.ModelProto) -> tuple[ActivationCodes, ...]:
    """Every quantized activation once, in graph order; of a tensor quantized several times the first pair."""
    constants = _constants(model)
    producers = {output: node for node in model.graph.node for output in node.output}
    found: dict[str, ActivationCodes] = {}
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear" or len(node.input) < 2:
            continue
        low, high, name = None, None, node.input[0]
        maker = producers.get(name)
        if maker is not None and maker.op_type == "Clip":
            low, high = (_scalar(constants, maker, index) for index in (1, 2))
            maker = producers.get(maker.input[0])
        if maker is None or maker.op_type != "QuantizeLinear" or maker.input[0] in found or maker.input[0] in constants:
            continue
        scale, zero_point = (constants.get(part) for part in (node.input[1], node.input[2] if node.input[2:] else ""))
        dtype = "uint8" if zero_point is None else zero_point.dtype.name
        if scale is None or scale.size != 1 or dtype not in _RANGES:
            continue
        storage_low, storage_high = _RANGES[dtype]
        computed = producers.get(maker.input[0])
        found[maker.input[0]] = ActivationCodes(
            tensor=maker.input[0],
            node="" if computed is None else computed.name or computed.output[0],
            op_type="" if computed is None else computed.op_type,
            codes=name,
            scale=float(scale.reshape(())),
            zero_point=0 if zero_point is None else int(zero_point.reshape(())),
            storage_low=storage_low,
            code_low=storage_low if low is None else low,
            code_high=storage_high if high is None else high,
        )
    return tuple(found.values())


def sources_of(model: onnx.ModelProto, points: Sequence[ActivationCodes]) -> Mapping[str, Sequence[str]]:
    """For every point's tensor and the graph's output: the nearest quantized tensors it is computed from."""
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

    names = [*(point.tensor for point in points), model.graph.output[0].name]
    for node in model.graph.node:  # in graph order, so that recursion stays shallow
        for output in node.output:
            before(output)
    return {name: tuple(sorted(before(name))) for name in names}


def _scalar(constants: Mapping[str, NDArray[np.generic]], node: onnx.NodeProto, index: int) -> int | None:
    value = constants.get(node.input[index]) if len(node.input) > index else None
    return None if value is None or value.size != 1 else int(value.reshape(()))


def _constants(model: onnx.ModelProto) -> dict[str, NDArray[np.generic]]:
    """Initializers and Constants of few elements, by name; large ones are weights, which nobody asks for here."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    tensors[node.output[0]] = attribute.t
    return {name: numpy_helper.to_array(tensor) for name, tensor in tensors.items()}
