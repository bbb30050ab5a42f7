"""One QuantizeLinear or DequantizeLinear (ONNX operator set 10 and later) of any tool's file, and its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from gdfq_export.frontend.passes.constants.constant import input_at


@dataclass(frozen=True, slots=True, kw_only=True)
class QdqNode:
    """What one QuantizeLinear or DequantizeLinear says.

    Attributes:
        node: the node itself.
        codes: the integers that it writes or reads.
        dtype: of the codes, None where nothing says it.
        scale: float64, None where it is computed at run time.
        zero_point: None where it is computed at run time, 0 where it is left out.
        axis: of the scales where there are several.
        block: how many codes along the axis share a scale, 0 where all of a channel do.
    """

    node: ir.Node
    codes: ir.Value
    dtype: ir.DataType | None
    scale: NDArray[Any] | None
    zero_point: NDArray[Any] | None
    axis: int | None
    block: int

    @property
    def omits_zero_point(self) -> bool:
        """Whether the zero point is left out."""
        return input_at(self.node, 2) is None

    @property
    def step(self) -> float | None:
        """Its scale, where there is one; None where there are several or they are computed at run time."""
        return float(self.scale.item()) if self.scale is not None and self.scale.size == 1 else None

    @property
    def zero(self) -> int | None:
        """Its zero point, where there is one."""
        return int(self.zero_point.item()) if self.zero_point is not None and self.zero_point.size == 1 else None

    @property
    def scale_range(self) -> tuple[float, float] | None:
        """Smallest and largest scale, NaN where one is; None where they are computed at run time."""
        return None if self.scale is None else (float(self.scale.min()), float(self.scale.max()))

    @property
    def zero_range(self) -> tuple[int, int] | None:
        """Smallest and largest zero point, None where they are computed at run time."""
        if self.zero_point is None:
            return None
        whole = self.zero_point.astype(np.int64)
        return int(whole.min()), int(whole.max())

    @property
    def dtype_name(self) -> str:
        """The name of the type of its codes."""
        return "unknown" if self.dtype is None else self.dtype.name


def node_name(node: ir.Node) -> str:
    """Its name or, where it has none, its first output."""
    return node.name or node.outputs[0].name or ""


def producer_of(value: ir.Value | None) -> ir.Node | None:
    """The node that computes a value; None for inputs, initializers and what is left out."""
    return None if value is None else value.producer()


def stored_array(value: ir.Value | None) -> NDArray[Any] | None:
    """The numbers of an initializer or a Constant."""
    if value is None:
        return None
    if value.const_value is not None:
        return value.const_value.numpy()
    node = value.producer()
    attribute = node.attributes.get("value") if node is not None and node.op_type == "Constant" else None
    return None if attribute is None else attribute.as_tensor().numpy()


def codes_dtype(node: ir.Node) -> ir.DataType | None:
    """Type of the codes that a QuantizeLinear writes or a DequantizeLinear reads, None where nothing says it."""
    zero_point = input_at(node, 2)
    if zero_point is not None and zero_point.dtype is not None:
        return zero_point.dtype
    if node.op_type == "QuantizeLinear":
        return ir.DataType(node.attributes.get_int("output_dtype", 0) or ir.DataType.UINT8)
    codes = input_at(node, 0)
    writer = producer_of(codes)
    if writer is not None and writer.op_type == "QuantizeLinear":
        return codes_dtype(writer)
    return None if codes is None else codes.dtype


def code_limits(dtype: ir.DataType | None) -> tuple[int, int] | None:
    """Smallest and largest number of an integer type; None for other types."""
    if dtype is None or not dtype.is_integer():
        return None
    bits = int(dtype.bitwidth)
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if dtype.is_signed() else (0, 2**bits - 1)
