"""Scale, zero point and codes as QuantizeLinear and DequantizeLinear hold them (ONNX opsets 13 to 21)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.qdq.read_back.constant_folding import is_constant, refusal, stored_bits
from gdfq_export.support.bit_width import bits_of
from gdfq_export.support.quant_params import QuantParams

_ACTIVATION_TYPES = {np.dtype(np.int8), np.dtype(np.uint8), np.dtype(np.uint16)}
_CONSTANT_TYPES = {*_ACTIVATION_TYPES, np.dtype(np.int32)}
_BLOCKS = (16, 32, 64, 128, 256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """Codes of a weight, a bias or an operand, int8, uint8, uint16 or int32; `bits` are those of the type in the file.

    `zero_points` are as the file has them, None where it leaves them out.
    """

    name: str
    codes: NDArray[Any]
    params: QuantParams
    zero_points: NDArray[Any] | None
    bits: int

    @property
    def has_zero_point(self) -> bool:
        """Whether the file states one."""
        return self.zero_points is not None

    @property
    def zero_point(self) -> int | None:
        """The one of all codes, None where they differ."""
        zeros = np.zeros(1) if self.zero_points is None else np.unique(self.zero_points)
        return int(zeros[0]) if zeros.size == 1 else None

    @property
    def output_axis(self) -> int | None:
        """Where output channels lie: along the axis of the scales, across that of blocks."""
        axis = self.params.axis
        return axis if self.params.block is None or axis is None else 1 - axis

    @property
    def values(self) -> NDArray[np.float32]:
        """What the codes mean."""
        if self.zero_point is not None or self.zero_points is None:
            return self.params.dequantize(self.codes)
        shape = [-1 if axis == self.params.axis else 1 for axis in range(self.codes.ndim)]
        return self.params.dequantize(self.codes.astype(np.int32) - self.zero_points.astype(np.int32).reshape(shape))

    @property
    def used_bits(self) -> int:
        """Bits of the codes that occur, two at least."""
        if not self.codes.size:
            return self.bits
        return max(2, bits_of((int(self.codes.min()), int(self.codes.max())), around_zero=self.params.signed))


def activation_params(node: ir.Node) -> QuantParams:
    """What the codes of a QuantizeLinear or DequantizeLinear of an activation mean.

    Raises:
        InputError: its numbers are computed, or not those of one int8, uint8 or uint16 tensor with one scale.
    """
    scale, zero = _parameters(node)
    if scale.size != 1:
        raise refusal(node, "has a scale a channel where activations have one")
    if zero is None or zero.dtype not in _ACTIVATION_TYPES:
        found = "no zero point" if zero is None else f"codes of {zero.dtype}"
        raise refusal(node, f"has {found} where activations are int8 or uint8 with a zero point")
    return _params(np.float32(scale.reshape(())), int(zero.reshape(())), zero.dtype)


def _params(
    scale: np.float32 | NDArray[np.float32], zero: int, dtype: np.dtype[Any], axis: int | None = None
) -> QuantParams:
    ends = np.iinfo(dtype)
    codes = int(ends.min), int(ends.max)
    return QuantParams(scale=scale, zero_point=zero, dtype=dtype, code_range=codes, axis=axis)


def constant_of(node: ir.Node) -> Constant:
    """The codes that a DequantizeLinear of a constant reads.

    Raises:
        InputError: they are not int8, uint8, uint16 or int32, or their scale is not one a tensor or one a channel.
    """
    codes = node.inputs[0]
    assert codes is not None and codes.const_value is not None
    array = np.array(codes.const_value.numpy())
    if node.attributes.get_int("block_size", 0):
        return _in_blocks(node, codes, array)
    if array.dtype not in _CONSTANT_TYPES:
        raise refusal(node, f"reads codes of {codes.dtype}, which no integer kernel multiplies")
    scale, zero = _parameters(node)
    axis = _axis(node, scale, array)
    scale = scale if axis is not None else scale.reshape(())
    first = 0 if zero is None or np.unique(zero).size != 1 else int(zero.reshape(-1)[0])
    params = _params(scale, first, array.dtype, axis)
    return Constant(name=str(codes.name), codes=array, params=params, zero_points=zero, bits=stored_bits(codes))


def _axis(node: ir.Node, scale: NDArray[Any], codes: NDArray[Any]) -> int | None:
    """The axis that several scales, or a list of one, lie along."""
    if scale.size == 1 and not (scale.ndim == 1 and "axis" in node.attributes):
        return None
    axis = node.attributes.get_int("axis", 1) % max(codes.ndim, 1)
    if scale.ndim == 1 and codes.ndim > 0 and codes.shape[axis] == scale.size:
        return axis
    if scale.size != 1:
        raise refusal(node, f"has scales {list(scale.shape)} for codes {list(codes.shape)}")
    return None


def _in_blocks(node: ir.Node, codes: ir.Value, array: NDArray[Any]) -> Constant:
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
    params = QuantParams(scale=scale, zero_point=0, dtype=np.dtype(np.int8), code_range=(-8, 7), axis=axis, block=block)
    return Constant(name=str(codes.name), codes=array.astype(np.int8), params=params, zero_points=zero, bits=4)


def _parameters(node: ir.Node) -> tuple[NDArray[Any], NDArray[Any] | None]:
    if node.attributes.get_int("block_size", 0):
        raise refusal(node, "has a scale a block")
    return _stored_parameters(node)


def _stored_parameters(node: ir.Node) -> tuple[NDArray[Any], NDArray[Any] | None]:
    scale, zero = input_at(node, 1), input_at(node, 2)
    if not is_constant(scale) or (zero is not None and not is_constant(zero)):
        raise refusal(node, "has a scale or a zero point that is computed from the image")
    assert scale is not None and scale.const_value is not None
    numbers = scale.const_value.numpy()
    if numbers.dtype != np.float32 or not np.all(np.isfinite(numbers) & (numbers > 0)):
        raise refusal(node, "has a scale that is not a positive float32")
    return numbers, None if zero is None or zero.const_value is None else zero.const_value.numpy()
