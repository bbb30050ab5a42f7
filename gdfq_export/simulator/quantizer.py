"""The fake quantizer: rounds to the grid the target will use, passes gradients through, learns its scale.

y = s * (clamp(round(x / s) + z, q_min, q_max) - z), with round half to even and a true division, as ONNX QuantizeLinear
does it. The gradient of the rounding is the identity (straight-through), so the gradient of the scale is that of LSQ
(Esser et al., "Learned Step Size Quantization", arXiv 1902.08153, eq. 3). The scale is learned as its logarithm:
positive always, and steps are relative. A matrix whose inputs are in blocks has a scale for each channel and block.

Constraints of `planning/constraints.py`: an unrounded point is clamped to twice its range; breakpoints are codes, with
a scale of which a whole number makes the breakpoint; clipped codes are not rounded a second time; a
fixed grid stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gdfq_export.planning.constraints import Breakpoints, FixedGrid, Unrounded
from gdfq_export.planning.plan import QuantPoint, Role

SMALLEST_SCALE = torch.finfo(torch.float32).tiny
_SMALL_SCALE = 1e-6 / 255
_SMALL_SHARE = 1e-5  # of the largest scale in a tensor; what is smaller cannot be seen beside it
_UNROUNDED_RANGE = 2.0  # factor; what is not rounded loses nothing by a wider range


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
        point: the first point of the group, for code range, symmetry, channel axis and bounds.
        shape: shape of the quantized tensor, needed only where the scale is per channel.

    Attributes:
        zero_point: of all scales; a number, so that a forward pass never waits for the device.
        has_breakpoints: whether the breakpoints of the point's constraint are codes.
        sources: the quantizer whose codes these are, clipped, if that one has its breakpoints; or nothing.
    """

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
        self.zero_point = 0
        self.has_breakpoints = False
        self.sources: tuple[Quantizer, ...] = ()  # in a tuple, it is no submodule of this one

    def set_range(self, low: float, high: float) -> None:
        """Choose scale and zero point so that the codes span [low, high], zero included and exact.

        An unrounded point gets twice that range. A tensor that was always 0 gets [-1, 1], within its bounds.
        """
        if isinstance(self.point.constraint, Unrounded):
            low, high = _UNROUNDED_RANGE * low, _UNROUNDED_RANGE * high
        if isinstance(self.point.constraint, FixedGrid):
            self.zero_point = self.point.constraint.zero_point
            return
        low, high = max(min(low, 0.0), self.point.low), min(max(high, 0.0), self.point.high)
        if high - low < SMALLEST_SCALE * (self.code_max - self.code_min):  # always 0
            low, high = max(-1.0, self.point.low), min(1.0, self.point.high)
        high = max(high, low + self.point.smallest_range)
        if self.point.symmetric:
            bound = max(-low, high)
            scale = bound / max(-self.code_min, self.code_max) if low < 0 else bound / self.code_max
            self.zero_point = 0
        else:
            steps = self.code_max - self.code_min
            scale = (high - low) / steps
            if isinstance(self.point.constraint, Breakpoints):
                fitted = self.point.constraint.fit(low, high, steps)
                self.has_breakpoints = fitted is not None
                scale, low = fitted or (scale, low)
            self.zero_point = min(max(round(self.code_min - low / scale), self.code_min), self.code_max)
        with torch.no_grad():
            self.log_scale.fill_(math.log(scale))

    def get_extra_state(self) -> Tensor:
        """What `state_dict` holds besides the scales: int64 [2]."""
        return torch.tensor([self.zero_point, self.has_breakpoints])

    def set_extra_state(self, state: Tensor) -> None:
        """The inverse of `get_extra_state`."""
        self.zero_point, self.has_breakpoints = int(state[0]), bool(state[1])

    def set_scale(self, scale: Tensor) -> None:
        """Set the scales of channels or blocks, `scale` of as many numbers as there are, in the order of the tensor.

        A channel that is next to nothing beside the largest has a scale that its bias can have.
        """
        with torch.no_grad():
            largest = scale.max().double()
            small = (_SMALL_SHARE * largest).clamp(SMALLEST_SCALE, _SMALL_SCALE)
            least = torch.where(largest > SMALLEST_SCALE, small, _SMALL_SCALE).to(scale.dtype)
            self.log_scale.copy_(scale.clamp_min(least).log().reshape(self.log_scale.shape))

    @property
    def scale(self) -> Tensor:
        """Positive float32 scale, no larger than what keeps an absorbed activation's bounds representable."""
        if isinstance(self.point.constraint, FixedGrid):
            return torch.full_like(self.log_scale, self.point.constraint.scale)
        scale = self.log_scale.exp().clamp_max(self.largest_scale())
        if isinstance(self.point.constraint, Breakpoints) and self.has_breakpoints:
            scale = _whole_part(scale, self.point.constraint.at, self.zero_point - self.code_min)
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
        above, below = self.code_max - self.zero_point, self.zero_point - self.code_min
        limits = [self.point.high / above if above else math.inf, -self.point.low / below if below else math.inf]
        return min(limits)

    @property
    def only_clips(self) -> bool:
        """Whether this point's codes are another's, clipped: nothing is rounded."""
        return any(source.has_breakpoints for source in self.sources)

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
        if not torch.is_grad_enabled():  # the same numbers, in the memory of the first
            steps = steps if isinstance(self.point.constraint, Unrounded) else steps.round_()
            codes = steps.add_(self.zero_point).clamp_(self.code_min, self.code_max)
            return codes.sub_(self.zero_point).mul_(scale)
        codes = (steps if isinstance(self.point.constraint, Unrounded) else _round(steps)) + self.zero_point
        codes = torch.clamp(codes, self.code_min, self.code_max)
        return (codes - self.zero_point) * scale


class _WholePart(torch.autograd.Function):
    """The nearest scale of which at most `most` steps make `at`; the gradient is that of `scale`."""

    @staticmethod
    def forward(ctx: Any, scale: Tensor, at: float, most: int) -> Tensor:
        whole = torch.full_like(scale, at)  # a number by a tensor is a product with its reciprocal, rounded twice
        return whole / torch.round(whole / scale).clamp(1, most)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0], None, None


class _RoundStraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.round(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0]


_whole_part: Callable[[Tensor, float, int], Tensor] = _WholePart.apply
_round: Callable[[Tensor], Tensor] = _RoundStraightThrough.apply
