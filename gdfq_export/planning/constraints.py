"""What the numbers of a quantized tensor must satisfy besides their bits: a class for each constraint.

A `QuantPoint` has one constraint at most. A new piecewise-linear activation needs a rule in `placement/points.py` that
sets one of these; the quantizer, the integer simulator and the writer read nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_LARGEST_COARSENING = 1.25


@dataclass(frozen=True, slots=True)
class Unrounded:
    """The runtime clamps the values to the limits of the codes and does not round them (`placement/fused_add.py`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakpoints:
    """Both `-at` and `at` are values of codes, since a piecewise-linear function that reads the tensor bends there.

    The scale is then `at / n` for a whole number n. Where that makes the scale more than a quarter coarser, the
    constraint is dropped.
    """

    at: float

    def fit(self, low: float, high: float, steps: int) -> tuple[float, float] | None:
        """Scale and lower end of the finest grid that covers [low, high] and has the breakpoints.

        Args:
            low: lower end of the range.
            high: upper end of the range.
            steps: number of steps between the smallest and the largest code, 255 for 8 bits.

        Returns:
            None where that grid is too coarse.

        >>> Breakpoints(at=3.0).fit(-4.0, 4.0, 255)  # 95 steps from 0 to 3
        (0.031578947368421054, -4.0)
        >>> Breakpoints(at=3.0).fit(-1.0, 1.0, 255) is None
        True
        """
        scale, low = (high - low) / steps, min(low, -self.at)
        whole = math.floor(self.at * steps / (high - low))
        return (self.at / whole, low) if whole and self.at / whole <= _LARGEST_COARSENING * scale else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClippedCodes:
    """The codes are those of the tensor `source`, clipped to [-at, at], where its grid has these breakpoints.

    Read with another scale they are min(max(x, -at), at) / (2 at) + 1/2: nothing is computed and nothing is rounded
    (`simulator/hard_sigmoid.py`).
    """

    source: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedGrid:
    """The runtime computes with this scale and zero point, whatever the file says (`Target.fixed_grids`)."""

    scale: float
    zero_point: int


Constraint = Unrounded | Breakpoints | ClippedCodes | FixedGrid
