"""HardSigmoid on codes (ONNX HardSigmoid-6): as a saturating Add, or as a Clip of the codes themselves.

max(0, min(1, alpha x + beta)) is alpha times x + beta / alpha, clamped to [0, 1 / alpha]. The integer Add of x and the
constant beta / alpha saturates there: with a zero point of 0 its codes end at 0, and with a scale of s / alpha at the
code of 1. Read with the scale s, the same codes are the HardSigmoid.

Inside a HardSwish (ONNX HardSwish-14) it is (x + 3) / 6 between x = -3 and x = 3. Where both are codes of x, n steps
from its zero point z, the codes of x clipped to [z - n, z + n], read with the zero point z - n and a sixth of the
scale, are the HardSigmoid: nothing is computed and nothing is rounded (`ClippedCodes` in `planning/constraints.py`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
import torch

from gdfq_export.frontend.passes.rewrites.recognize_hard_swish import BREAKPOINT
from gdfq_export.planning.constraints import ClippedCodes
from gdfq_export.planning.plan import QuantPlan, QuantPoint
from gdfq_export.simulator.codes import CodedTensor
from gdfq_export.simulator.encoding import Encoding
from gdfq_export.support.quant_params import QuantParams

_LARGEST = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class SumForm:
    """The constant to add, stored as code 1 with itself as scale, and the scale to quantize the sum with."""

    offset: np.float32
    scale: np.float32


def sum_form(node: ir.Node, scale: np.ndarray | np.float32) -> SumForm:
    """Numbers of a HardSigmoid whose output has the scale `scale` and the zero point 0."""
    alpha, beta = node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)
    return SumForm(offset=np.float32(beta / alpha), scale=np.float32(np.float64(scale) / alpha))


def sum_operands(node: ir.Node, x: CodedTensor, grid: QuantParams) -> tuple[CodedTensor, CodedTensor, QuantParams]:
    """The summands, the second a scalar, and the grid that the sum is quantized on, where codes are read on `grid`."""
    numbers = sum_form(node, grid.scale)
    offset = dataclasses.replace(x.grid, scale=numbers.offset, zero_point=0)
    one = CodedTensor(codes=torch.ones((), dtype=torch.int32), grid=offset)
    return x, one, dataclasses.replace(grid, scale=numbers.scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipForm:
    """Limits of the uint8 codes of x, and the scale and zero point that the clipped codes are read with."""

    low: int
    high: int
    scale: np.float32
    zero_point: int


def clip_form(scale: np.ndarray | np.float32, zero_point: int, *, at: float = BREAKPOINT) -> ClipForm | None:
    """min(max(x, -at), at) / (2 at) + 1/2 on uint8 codes of x with this grid; None where -at or at is no code."""
    steps = round(at / float(scale))
    if not 1 <= steps <= zero_point or np.float32(at) / np.float32(steps) != np.float32(scale):
        return None
    return ClipForm(
        low=zero_point - steps,
        high=min(zero_point + steps, _LARGEST),
        scale=np.float32(np.float64(scale) / (2 * at)),
        zero_point=zero_point - steps,
    )


def clip_form_of(point: QuantPoint, plan: QuantPlan, encodings: Mapping[str, Encoding]) -> ClipForm | None:
    """How the codes of `point` follow from those it clips; None where they are computed."""
    if not isinstance(point.constraint, ClippedCodes):
        return None
    source = encodings[plan.by_tensor[point.constraint.source].key]
    return clip_form(source.scale, source.zero_point, at=point.constraint.at)
