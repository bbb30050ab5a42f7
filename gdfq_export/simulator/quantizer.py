"""The fake quantizer: rounds to the grid the target will use, passes gradients through, learns its scale.

y = s * (clamp(round(x / s) + z, q_min, q_max) - z), with round half to even and a true division, as ONNX QuantizeLinear
does it. The gradient of the rounding is the identity (straight-through), so the gradient of the scale is that of LSQ
(Esser et al., "Learned Step Size Quantization", arXiv 1902.08153, eq. 3). The scale is learned as its logarithm:
positive always, and steps are relative. A matrix whose inputs are in blocks has a scale for each channel and block. A
point that the runtime does not round is clamped alone, to twice its range. One with a knee has it, and its negative, on
its grid: the scale is a whole part of it, and what a HardSigmoid makes of such values by clipping their codes is not
rounded a second time.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gdfq_export.planning.plan import QuantPoint, Role

__all__ = ["Mode", "Observer", "Quantizer"]

_SMALLEST_RANGE = 1e-6
_ROOM = 2.0  # what is not rounded loses nothing by a wider range
_COARSER = 1.25  # times, at most, that a knee may make a scale


class Mode(StrEnum):
    """What a quantizer does with what passes through it."""

    FLOAT = "float"
    OBSERVE = "observe"
    QUANTIZE = "quantize"


class Observer(Protocol):
    """Anything that watches a tensor, for instance a range estimator."""

    def observe(self, tensor: Tensor) -> None:
        """See one tensor."""
        ...


class Quantizer(nn.Module):
    """Fake quantizer of one scale group.

    Args:
        point: the group's leading point; gives code range, symmetry, channel axis and bounds.
        shape: shape of the quantized tensor, needed only where the scale is per channel.

    Attributes:
        has_knee: whether the point's knee is on the grid.
        clips: the quantizer whose codes this point's are, clipped, wherever that one has its knee; or nothing.
    """

    zero_point: Tensor
    has_knee: Tensor

    def __init__(self, point: QuantPoint, shape: torch.Size | None = None) -> None:
        super().__init__()
        self.point = point
        self.mode = Mode.FLOAT
        self.observer: Observer | None = None
        self.code_min, self.code_max = point.code_range
        scale_shape: list[int] = []
        if point.axis is not None:
            assert shape is not None
            scale_shape = [size if axis == point.axis else 1 for axis, size in enumerate(shape)]
        if point.block is not None and point.block_axis is not None:
            assert shape is not None
            self._inputs = shape[point.block_axis]
            scale_shape[point.block_axis] = -(-self._inputs // point.block)
        self.log_scale = nn.Parameter(torch.zeros(scale_shape))
        self.register_buffer("zero_point", torch.zeros((), dtype=torch.int32))
        self.register_buffer("has_knee", torch.zeros((), dtype=torch.bool))
        self.clips: tuple[Quantizer, ...] = ()  # in a tuple, it is no submodule of this one

    def set_range(self, low: float, high: float) -> None:
        """Choose scale and zero point so that the codes span [low, high], zero included and exact.

        What is not rounded gets twice that; what is never anything but 0 gets [-1, 1], as far as its bounds go: a scale
        of next to nothing would do, but ONNX Runtime's QLinearGlobalAveragePool refuses ratios of scales beyond 256.
        """
        if not self.point.rounded:
            low, high = _ROOM * low, _ROOM * high
        low, high = max(min(low, 0.0), self.point.low), min(max(high, 0.0), self.point.high)
        if high - low < _SMALLEST_RANGE:  # nothing but 0 was seen, which every scale has: one that every kernel takes
            low, high = max(-1.0, self.point.low), min(1.0, self.point.high)
        if self.point.symmetric:
            bound = max(-low, high, _SMALLEST_RANGE)
            scale = bound / max(-self.code_min, self.code_max) if low < 0 else bound / self.code_max
            zero_point = 0
        else:
            scale = max(high - low, _SMALLEST_RANGE) / (self.code_max - self.code_min)
            with_knee = self._with_knee(low, high, scale)
            self.has_knee.fill_(with_knee is not None)
            scale, low = with_knee or (scale, low)
            zero_point = min(max(round(self.code_min - low / scale), self.code_min), self.code_max)
        with torch.no_grad():
            self.zero_point.fill_(zero_point)
            self.log_scale.fill_(math.log(scale))

    def _with_knee(self, low: float, high: float, scale: float) -> tuple[float, float] | None:
        """Scale and low end for codes that reach as far and have the knee; None where `scale` is much finer."""
        knee = self.point.knee
        if knee is None:
            return None
        low = min(low, -knee)
        steps = math.floor(knee * (self.code_max - self.code_min) / (high - low))
        return (knee / steps, low) if steps and knee / steps <= _COARSER * scale else None

    def set_scale(self, scale: Tensor) -> None:
        """Set the scales of channels or blocks, `scale` of as many numbers as there are, in the order of the tensor."""
        with torch.no_grad():
            self.log_scale.copy_(scale.clamp_min(_SMALLEST_RANGE / 255).log().reshape(self.log_scale.shape))

    @property
    def scale(self) -> Tensor:
        """Positive float32 scale, no larger than what keeps an absorbed activation's bounds representable."""
        scale = self.log_scale.exp().clamp_max(self.largest_scale())
        if self.point.knee is not None and self.has_knee:
            scale = _whole_part(scale, self.point.knee, int(self.zero_point) - self.code_min)
        if self.point.block is None or self.point.block_axis is None:
            return scale
        axis = self.point.block_axis
        return scale.repeat_interleave(self.point.block, dim=axis).narrow(axis, 0, self._inputs)

    @property
    def block_scale(self) -> Tensor:
        """One scale a block, where `scale` repeats it for every input of the block."""
        return self.log_scale.exp()

    def largest_scale(self) -> float:
        """Largest scale at which the codes do not reach beyond the bounds of an absorbed Relu or Clip."""
        if self.point.role is Role.INPUT:
            return math.inf
        above, below = self.code_max - int(self.zero_point), int(self.zero_point) - self.code_min
        limits = [self.point.high / above if above else math.inf, -self.point.low / below if below else math.inf]
        return min(limits)

    @property
    def only_clips(self) -> bool:
        """Whether this point's codes are another's, clipped: nothing is rounded."""
        return any(bool(source.has_knee) for source in self.clips)

    def forward(self, x: Tensor) -> Tensor:
        """Quantize and dequantize, observe, or pass on, by `mode`."""
        if self.mode is Mode.FLOAT:
            return x
        if self.mode is Mode.OBSERVE:
            if self.observer is not None:
                self.observer.observe(x.detach())
            return x
        if self.only_clips:
            return x
        scale = self.scale
        steps = x / scale
        codes = (_round(steps) if self.point.rounded else steps) + self.zero_point
        codes = torch.clamp(codes, self.code_min, self.code_max)
        return (codes - self.zero_point) * scale


class _WholePart(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scale: Tensor, knee: float, most: int) -> Tensor:
        whole = torch.full_like(scale, knee)  # a number by a tensor is a product with its reciprocal, rounded twice
        return whole / torch.round(whole / scale).clamp(1, most)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0], None, None


def _whole_part(scale: Tensor, knee: float, most: int) -> Tensor:
    """The nearest scale of which at most `most` steps make the knee; the gradient is that of `scale`."""
    nearest: Tensor = _WholePart.apply(scale, knee, most)  # type: ignore[no-untyped-call]
    return nearest


class _RoundStraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.round(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0]


def _round(x: Tensor) -> Tensor:
    rounded: Tensor = _RoundStraightThrough.apply(x)  # type: ignore[no-untyped-call]
    return rounded
