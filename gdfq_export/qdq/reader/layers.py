"""Convolutions and matrix products with the Q/DQ nodes of what they read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import QdqNode, node_name, producer_of
from gdfq_export.targets.operator_traits import LAYERS, OPERATOR_TRAITS

_SAME_STEP = 1e-3  # relative


@dataclass(frozen=True, slots=True, kw_only=True)
class QdqLayer:
    """One of `LAYERS` and the DequantizeLinear of its activation, weight and bias, None where they are float.

    `of_activations` says that it multiplies two activations, of which the second is then its `weight`.
    """

    node: ir.Node
    activation: QdqNode | None
    weight: QdqNode | None
    bias: QdqNode | None
    of_activations: bool

    @property
    def name(self) -> str:
        """Of its node."""
        return node_name(self.node)

    @property
    def op_type(self) -> str:
        """Its operator."""
        return self.node.op_type

    @property
    def has_bias(self) -> bool:
        """Whether it reads one, quantized or not."""
        return self.op_type != "MatMul" and input_at(self.node, 2) is not None

    @property
    def whole(self) -> bool:
        """Whether activation and weight are both quantized."""
        return self.activation is not None and self.weight is not None

    @property
    def dynamic(self) -> bool:
        """Whether the scale of its activation is measured while the file runs."""
        return self.activation is not None and self.activation.scale is None

    @property
    def weight_only(self) -> bool:
        """Whether it is a matrix product of 4-bit weights in blocks, for which kernels take float activations."""
        weight = self.weight
        narrow = weight is not None and weight.dtype is not None and weight.dtype.bitwidth <= 4
        return narrow and weight is not None and bool(weight.block) and self.op_type in ("Gemm", "MatMul")

    @property
    def output_axis(self) -> int | None:
        """The axis of the weight that its output channels lie along; None where a Transpose lies between."""
        weight = input_at(self.node, 1)
        if self.weight is None or weight is None or producer_of(weight) is not self.weight.node:
            return None
        shape = self.weight.codes.shape
        return None if shape is None else weight_output_axis(self.node, len(shape))

    def weight_codes(self, model: QdqModel) -> np.ndarray | None:
        """Codes less their zero points, `[output channels, ...]` in int32; None where they are not stored."""
        axis = self.output_axis
        codes = None if self.weight is None else model.numbers(self.weight.codes)
        if codes is None or axis is None or self.weight is None or self.weight.zero_point is None:
            return None
        if not 0 <= axis < codes.ndim or not codes.size:
            return None
        zero = np.asarray(self.weight.zero_point, np.int32)
        if zero.size > 1 and self.weight.axis == axis and zero.size == codes.shape[axis] and not self.weight.block:
            zero = zero.reshape([-1 if index == axis else 1 for index in range(codes.ndim)])
        elif zero.size != 1:
            return None
        return np.moveaxis(np.asarray(codes, np.int32) - zero, axis, 0).reshape(codes.shape[axis], -1)

    def bias_step(self) -> np.ndarray | None:
        """Activation scale times weight scale, the step that integer kernels count a bias in."""
        if self.activation is None or self.weight is None or self.activation.scale is None or self.weight.scale is None:
            return None
        across = self.weight.axis is not None and self.output_axis is not None and self.weight.axis != self.output_axis
        if self.activation.scale.size != 1 or self.weight.block or across:
            return None
        return np.asarray(self.activation.scale.reshape(-1)[0] * self.weight.scale.reshape(-1))

    def wrong_bias_step(self) -> WrongStep | None:
        """How far the scale of an int32 bias is from `bias_step`, where it is; tools round it in the last digits."""
        step, scale = self.bias_step(), None if self.bias is None else self.bias.scale
        if step is None or scale is None or (1 not in (step.size, scale.size) and step.size != scale.size):
            return None
        if not (np.isfinite(step).all() and (step > 0).all()):
            return None  # the factor itself is at fault
        found, expected = np.broadcast_arrays(scale.reshape(-1), step.reshape(-1))
        with np.errstate(divide="ignore", invalid="ignore"):
            off = np.abs(found / expected - 1)
        if not (off > _SAME_STEP).any():
            return None
        first = int(np.flatnonzero(off > _SAME_STEP)[0])
        return WrongStep(
            channel=first,
            found=float(found[first]),
            expected=float(expected[first]),
            most=float(off[np.isfinite(off)].max(initial=0)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongStep:
    """A bias counted in other steps than activation scale x weight scale.

    `found` and `expected` are those of the first such channel, `most` the largest relative difference of all.
    """

    channel: int
    found: float
    expected: float
    most: float

    def __str__(self) -> str:
        return (
            f"the scale of its bias is {self.found:.6g} (channel {self.channel}), activation scale x weight scale is "
            f"{self.expected:.6g}"
        )


def weight_output_axis(node: ir.Node, rank: int) -> int:
    """The axis of a layer's weight of `rank` axes that its output channels lie along."""
    if node.op_type == "Gemm":
        return 0 if node.attributes.get_int("transB", 0) else 1
    axis = OPERATOR_TRAITS[node.op_type].output_axis
    assert axis is not None
    return axis % rank if rank else 0


def read_layers(model: QdqModel, through: frozenset[str]) -> tuple[QdqLayer, ...]:
    """Every layer of the graph; `through` are the operators that a DequantizeLinear may stand in front of."""
    return tuple(
        QdqLayer(
            node=node,
            activation=model.dequantized(input_at(node, 0), through),
            weight=model.dequantized(input_at(node, 1), through),
            bias=None if node.op_type == "MatMul" else model.dequantized(input_at(node, 2)),
            of_activations=not model.is_constant(input_at(node, 1)),
        )
        for node in model.nodes
        if node.op_type in LAYERS and len(node.inputs) > 1
    )
