"""QuantPlan: which tensors carry Q/DQ, with how many bits, and which kernel computes each node.

The simulator, the writer and the printed plan read it and decide nothing themselves. `placement/` builds it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np

from gdfq_export.planning.constraints import Constraint
from gdfq_export.targets import Clip, Kernel, find_target
from gdfq_export.targets.table import WIDE_BITS

_BYTE = 8  # bits


class Role(StrEnum):
    """What a quantized tensor is."""

    INPUT = "input"
    ACTIVATION = "activation"
    CONSTANT = "constant"
    WEIGHT = "weight"
    BIAS = "bias"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantPoint:
    """One quantized tensor.

    Attributes:
        key: names the point and its tensors in the file (`<key>_q`, `<key>_scale`): the tensor's name without the
            `_output_0` that exporters append, or with the node's name for a bias that several nodes share.
        tensor: name of the value in the float graph.
        consumers: names of the nodes that read it dequantized.
        role: what it is.
        bits: of its codes.
        signed: int8 or int16 codes; uint8 or uint16 otherwise.
        symmetric: the zero point is 0.
        axis: channel axis of a scale per channel; None for a scale per tensor.
        group: points of one group have the same scale and zero point.
        packed: bits of the types below a byte that may hold the codes.
        native: DequantizeLinear reads such a type without a Cast.
        block: inputs in a row that share a scale; None where all inputs of an output channel do.
        lowest: smallest code of signed codes, where their bits go so far.
        smallest_range: least distance of the ends of an activation's range.
        constraint: what scale and codes must satisfy besides (`constraints.py`).
        low: lower bound that the graph itself puts on the values: 0 behind an absorbed Relu, the darkest pixel.
        high: upper bound, likewise.
    """

    key: str
    tensor: str
    consumers: tuple[str, ...]
    role: Role
    bits: int
    signed: bool
    symmetric: bool
    axis: int | None
    group: str
    packed: tuple[int, ...] = ()
    native: bool = False
    block: int | None = None
    lowest: int = -128
    smallest_range: float = 0.0
    constraint: Constraint | None = None
    low: float = -math.inf
    high: float = math.inf

    @property
    def code_range(self) -> tuple[int, int]:
        """Smallest and largest code, for instance (0, 255), (-128, 127) or, with 4 bits, (0, 15).

        Symmetric signed codes of values that are never negative start at 0, as far as the type goes: (0, 127), (0, 15).
        """
        if self.signed and self.symmetric and self.low >= 0:
            return 0, min(2**self.bits - 1, self.storage_range[1])
        if self.signed:
            lowest = -(2 ** (self.bits - 1))
            return lowest if self.bits > _BYTE else max(lowest, self.lowest), 2 ** (self.bits - 1) - 1
        return 0, 2**self.bits - 1

    @property
    def stored_bits(self) -> int:
        """Bits of the type that holds one code in the file: the narrowest that is wide enough."""
        if self.role is Role.BIAS:
            return 32
        return min(bits for bits in (*self.packed, _BYTE, WIDE_BITS) if bits >= self.bits)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type that holds a code while the network runs."""
        if self.role is Role.BIAS:
            return np.dtype(np.int32)
        if self.bits > _BYTE:
            return np.dtype(np.int16 if self.signed else np.uint16)
        return np.dtype(np.int8 if self.signed else np.uint8)

    @property
    def block_axis(self) -> int | None:
        """The axis of a matrix that is divided into blocks: the one that is not `axis`."""
        return None if self.block is None or self.axis is None else 1 - self.axis

    @property
    def storage_range(self) -> tuple[int, int]:
        """Smallest and largest code of `dtype`."""
        info = np.iinfo(self.dtype)
        return int(info.min), int(info.max)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedNode:
    """One node of the graph and what computes it.

    Attributes:
        node: its name.
        op_type: its operator.
        kernel: None for a node that runs in float.
        absorbed: name of the Relu or Clip that the kernel's requantization replaces.
        integer_form: it is written on the codes themselves, between Q and DQ.
        reason: why the node runs in float.
        separated: an operator that changes nothing stands between its results and what follows, because a runtime
            would fuse the two and compute integers in place of floats, or floats in place of integers.
    """

    node: str
    op_type: str
    kernel: Kernel | None
    absorbed: str | None = None
    integer_form: bool = False
    reason: str = ""
    separated: bool = False

    @property
    def on_codes(self) -> bool:
        """Whether the kernel computes on codes, and not in float between pairs."""
        return self.kernel not in (None, Kernel.BETWEEN_PAIRS)


@dataclass(frozen=True)
class QuantPlan:
    """All quantization points and all nodes of one graph, in topological order."""

    target: str
    points: tuple[QuantPoint, ...]
    nodes: tuple[PlannedNode, ...]

    @cached_property
    def by_tensor(self) -> dict[str, QuantPoint]:
        """Points by tensor name, biases left out (they belong to a node, not to a tensor)."""
        return {point.tensor: point for point in self.points if point.role is not Role.BIAS}

    @cached_property
    def bias_of(self) -> dict[str, QuantPoint]:
        """Bias points by the name of the node that reads them."""
        return {point.consumers[0]: point for point in self.points if point.role is Role.BIAS}

    @cached_property
    def by_node(self) -> dict[str, PlannedNode]:
        """Nodes by name."""
        return {node.node: node for node in self.nodes}

    @property
    def exact(self) -> bool:
        """Whether the integer simulator computes what the target does, to the bit."""
        return find_target(self.target).exact and not self.native and not self.clips_in_float

    @cached_property
    def clips_in_float(self) -> bool:
        """Whether a Clip stands in front of a QuantizeLinear, with which ONNX Runtime computes the layer in float."""
        activations = [point for point in self.points if point.role in (Role.INPUT, Role.ACTIVATION)]
        narrow = any(point.code_range != point.storage_range for point in activations)
        return narrow and find_target(self.target).clip is Clip.VALUES

    @property
    def native(self) -> bool:
        """Whether layers that are planned in integers have native weights, for which runtimes compute in float."""
        return any(point.native and point.block is None for point in self.points)

    @cached_property
    def absorbed(self) -> frozenset[str]:
        """Names of the activation nodes that a kernel's requantization replaces."""
        return frozenset(node.absorbed for node in self.nodes if node.absorbed)
