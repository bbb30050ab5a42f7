"""What the codes of a quantized tensor mean (ONNX QuantizeLinear and DequantizeLinear).

value = scale * (code - zero_point)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantParams:
    """Scale, zero point and codes of one tensor whose numbers are known.

    Attributes:
        scale: float32: one for the tensor, or `[channels]` along `axis`; where `block` codes along `axis` share one, an
            array of the codes' rank.
        zero_point: the code of 0.
        dtype: the integer type that stores the codes.
        code_range: smallest and largest code that may occur.
        axis: of the scales, None where there is one for the tensor.
        block: codes that share a scale, None where those of a channel do.

    Example:
        >>> params = QuantParams(
        ...     scale=np.float32(0.5), zero_point=8, dtype=np.dtype(np.uint8), code_range=(0, 15)
        ... )
        >>> params.bounds, params.storage_range
        ((-4.0, 3.5), (0, 255))
    """

    scale: np.float32 | NDArray[np.float32]
    zero_point: int
    dtype: np.dtype[Any]
    code_range: tuple[int, int]
    axis: int | None = None
    block: int | None = None

    @property
    def signed(self) -> bool:
        """Whether the type has negative codes."""
        return bool(np.issubdtype(self.dtype, np.signedinteger))

    @property
    def storage_range(self) -> tuple[int, int]:
        """Smallest and largest code of the type."""
        info = np.iinfo(self.dtype)
        return int(info.min), int(info.max)

    @property
    def step(self) -> float:
        """Distance of two neighbouring values of a tensor with one scale."""
        return float(self.scale)

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value of a tensor with one scale."""
        low, high = self.code_range
        return (low - self.zero_point) * self.step, (high - self.zero_point) * self.step

    def same_values(self, other: QuantParams) -> bool:
        """Whether a code means the same with both; of tensors with one scale."""
        return (self.scale, self.zero_point, self.dtype) == (other.scale, other.zero_point, other.dtype)

    def dequantize(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        """The values of codes (ONNX DequantizeLinear)."""
        scale = np.asarray(self.scale, np.float32)
        if self.block is not None and self.axis is not None:
            scale = np.repeat(scale, self.block, self.axis).take(range(codes.shape[self.axis]), self.axis)
        elif self.axis is not None:
            scale = scale.reshape([-1 if axis == self.axis else 1 for axis in range(codes.ndim)])
        centered = (codes.astype(np.int32) - np.int32(self.zero_point)).astype(np.float32)
        return np.asarray(centered * scale, np.float32)
