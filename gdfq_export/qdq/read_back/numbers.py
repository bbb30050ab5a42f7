"""Scale, zero point and codes as QuantizeLinear and DequantizeLinear hold them (ONNX opsets 13 to 21)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.qdq.read_back.prepared import is_constant, refusal, stored_bits
from gdfq_export.support.bit_width import bits_of

__all__ = ["Constant", "Grid", "constant_of", "grid_of"]

_ACTIVATION_TYPES = {np.dtype(np.int8), np.dtype(np.uint8)}
_CONSTANT_TYPES = {*_ACTIVATION_TYPES, np.dtype(np.int32)}
_BLOCKS = (16, 32, 64, 128, 256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What the codes of an activation mean, and which of them occur."""

    scale: np.float32
    zero_point: int
    signed: bool
    code_range: tuple[int, int]
    scale_name: str

    @property
    def storage_range(self) -> tuple[int, int]:
        """Smallest and largest code of the type."""
        return (-128, 127) if self.signed else (0, 255)

    def same_values(self, other: Grid) -> bool:
        """Whether a code means the same on both."""
        return (self.scale, self.zero_point, self.signed) == (other.scale, other.zero_point, other.signed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """Codes of a weight, a bias or an operand, int8, uint8 or int32.

    `scale` is float32, scalar or `[channels]` along `axis`, of which there may be one; where `block` codes along `axis`
    share one, it has the codes' rank. `zero_point` is the one of all, None where they differ; `bits` are the type's.
    """

    name: str
    codes: np.ndarray
    scale: np.ndarray
    zero_point: int | None
    axis: int | None
    bits: int
    has_zero_point: bool
    block: int | None = None

    @property
    def signed(self) -> bool:
        """Whether the codes are int8 or int32."""
        return self.codes.dtype != np.uint8

    @property
    def output_axis(self) -> int | None:
        """Where output channels lie: along the axis of the scales, across that of blocks."""
        return self.axis if self.block is None or self.axis is None else 1 - self.axis

    def values(self, zero_point: np.ndarray | None) -> np.ndarray:
        """What the codes mean, float32, with the zero points of the file."""
        if self.block is not None and self.axis is not None:
            scale = np.repeat(self.scale, self.block, self.axis).take(range(self.codes.shape[self.axis]), self.axis)
            return np.asarray(self.codes.astype(np.float32) * scale)
        shape = [-1 if axis == self.axis else 1 for axis in range(self.codes.ndim)]
        offset = 0 if zero_point is None else zero_point.astype(np.int32).reshape(shape if zero_point.size > 1 else ())
        numbers = (self.codes.astype(np.int32) - offset).astype(np.float32)
        return np.asarray(numbers * self.scale.reshape(shape if self.axis is not None else ()), np.float32)

    @property
    def used_bits(self) -> int:
        """Bits of the codes that occur, two at least."""
        if not self.codes.size:
            return self.bits
        return max(2, bits_of((int(self.codes.min()), int(self.codes.max())), around_zero=self.signed))


def grid_of(node: ir.Node) -> Grid:
    """The grid of a QuantizeLinear or DequantizeLinear of an activation.

    Raises:
        InputError: its numbers are computed, or not those of one int8 or uint8 tensor with one scale.
    """
    scale, zero = _parameters(node)
    if scale.size != 1:
        raise refusal(node, "has a scale a channel where activations have one")
    if zero is None or zero.dtype not in _ACTIVATION_TYPES:
        found = "no zero point" if zero is None else f"codes of {zero.dtype}"
        raise refusal(node, f"has {found} where activations are int8 or uint8 with a zero point")
    value = node.inputs[1]
    signed = zero.dtype == np.int8
    return Grid(
        scale=np.float32(scale.reshape(())),
        zero_point=int(zero.reshape(())),
        signed=signed,
        code_range=(-128, 127) if signed else (0, 255),
        scale_name=str(value.name if value is not None else ""),
    )


def constant_of(node: ir.Node) -> Constant:
    """The codes that a DequantizeLinear of a constant reads.

    Raises:
        InputError: they are not int8, uint8 or int32, or their scale is not one a tensor or one a channel.
    """
    codes = node.inputs[0]
    assert codes is not None and codes.const_value is not None
    array = np.array(codes.const_value.numpy())
    if node.attributes.get_int("block_size", 0):
        return _in_blocks(node, codes, array)
    if array.dtype not in _CONSTANT_TYPES:
        raise refusal(node, f"reads codes of {codes.dtype}, which no integer kernel multiplies")
    scale, zero = _parameters(node)
    axis: int | None = None
    if scale.size > 1 or (scale.ndim == 1 and "axis" in node.attributes):
        axis = node.attributes.get_int("axis", 1) % max(array.ndim, 1)
        fits = scale.ndim == 1 and array.ndim > 0 and array.shape[axis] == scale.size
        if not fits and scale.size == 1:
            axis = None
        elif not fits:
            raise refusal(node, f"has scales {list(scale.shape)} for codes {list(array.shape)}")
    zeros = np.unique(zero) if zero is not None else np.zeros(1, np.int32)
    return Constant(
        name=str(codes.name),
        codes=array,
        scale=scale if axis is not None else scale.reshape(()),
        zero_point=int(zeros[0]) if zeros.size == 1 else None,
        axis=axis,
        bits=stored_bits(codes),
        has_zero_point=zero is not None,
    )


def _in_blocks(node: ir.Node, codes: ir.Value, array: np.ndarray) -> Constant:
    """A matrix in blocks as this tool writes it: INT4, zero points of 0, blocks that ONNX Runtime has a kernel for."""
    block, axis = node.attributes.get_int("block_size", 0), node.attributes.get_int("axis", 1) % max(array.ndim, 1)
    scale, zero = _stored_parameters(node)
    if codes.dtype is not ir.DataType.INT4 or array.ndim != 2 or block not in _BLOCKS:
        raise refusal(node, f"has a scale a block of {block} codes of {array.dtype}")
    if zero is not None and np.any(zero):
        raise refusal(node, "has a scale a block and zero points other than 0")
    shape = [-(-size // block) if index == axis else size for index, size in enumerate(array.shape)]
    if list(scale.shape) != shape:
        raise refusal(node, f"has scales {list(scale.shape)} for codes {list(array.shape)} in blocks of {block}")
    return Constant(
        name=str(codes.name),
        codes=array.astype(np.int8),
        scale=scale,
        zero_point=0,
        axis=axis,
        bits=4,
        has_zero_point=zero is not None,
        block=block,
    )


def _parameters(node: ir.Node) -> tuple[np.ndarray, np.ndarray | None]:
    if node.attributes.get_int("block_size", 0):
        raise refusal(node, "has a scale a block")
    return _stored_parameters(node)


def _stored_parameters(node: ir.Node) -> tuple[np.ndarray, np.ndarray | None]:
    scale, zero = input_at(node, 1), input_at(node, 2)
    if not is_constant(scale) or (zero is not None and not is_constant(zero)):
        raise refusal(node, "has a scale or a zero point that is computed from the image")
    assert scale is not None and scale.const_value is not None
    numbers = scale.const_value.numpy()
    if numbers.dtype != np.float32 or not np.all(np.isfinite(numbers) & (numbers > 0)):
        raise refusal(node, "has a scale that is not a positive float32")
    return numbers, None if zero is None or zero.const_value is None else zero.const_value.numpy()
