"""QuantPlan: which tensors carry Q/DQ, in which numbers, and which kernel computes each node.

The plan is the single truth of placement: the simulator, the writer and the inspector read it and decide nothing
themselves. `placement/` builds it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from gdfq_export.planning.constraints import Constraint
from gdfq_export.targets import Kernel, find_target

__all__ = ["PlannedNode", "QuantPlan", "QuantPoint", "Role"]


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

    `key` names the point and its tensors in the file (`<key>_q`, `<key>_scale`): the tensor's name, less the
    `_output_0` that exporters append, or for a bias that several nodes share, with the node's name. Points of one
    `group` have the same scale and zero point. `low` and `high` bound the float values where the graph itself does (an
    absorbed Relu: 0 and infinity; the network's input: its pixels). `packed` are the bits of the types below a byte
    that may hold the codes, `native` says that DequantizeLinear reads such a type without a Cast, and `block` how many
    inputs in a row share a scale, where those of an output channel do not all. `constraint` is what scale and codes
    must satisfy besides (`constraints.py`).
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
    constraint: Constraint | None = None
    low: float = -math.inf
    high: float = math.inf

    @property
    def code_range(self) -> tuple[int, int]:
        """Smallest and largest code, for instance (0, 255), (-128, 127) or, with 4 bits, (0, 15).

        Signed codes of what is never negative are counted from 0, as far as the type goes: (0, 127), (0, 15).
        """
        if self.signed and self.symmetric and self.low >= 0:
            return 0, min(2**self.bits, 128) - 1
        if self.signed:
            return -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1
        return 0, 2**self.bits - 1

    @property
    def stored_bits(self) -> int:
        """Bits of the type that holds one code in the file: the narrowest that is wide enough."""
        if self.role is Role.BIAS:
            return 32
        return min(bits for bits in (*self.packed, 8) if bits >= self.bits)

    @property
    def block_axis(self) -> int | None:
        """The axis of the inputs that blocks divide, of a matrix whose output channels lie along `axis`."""
        return None if self.block is None or self.axis is None else 1 - self.axis

    @property
    def storage_range(self) -> tuple[int, int]:
        """Smallest and largest code the stored type (int8, uint8, int32) can hold."""
        if self.role is Role.BIAS:
            return -(2**31), 2**31 - 1
        return (-128, 127) if self.signed else (0, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedNode:
    """One node of the graph and what computes it.

    `kernel` is None for a node that runs in float, `reason` then says why. `absorbed` names the Relu or Clip that the
    kernel's requantization replaces.
    """

    node: str
    op_type: str
    kernel: Kernel | None
    absorbed: str | None = None
    integer_form: bool = False
    reason: str = ""


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
        return find_target(self.target).exact and not self.native

    @property
    def native(self) -> bool:
        """Whether layers that are planned in integers have native weights, for which runtimes compute in float."""
        return any(point.native and point.block is None for point in self.points)

    @cached_property
    def absorbed(self) -> frozenset[str]:
        """Names of the activation nodes that a kernel's requantization replaces."""
        return frozenset(node.absorbed for node in self.nodes if node.absorbed)
