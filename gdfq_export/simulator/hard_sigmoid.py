"""HardSigmoid on codes, as a saturating Add (ONNX HardSigmoid-6).

max(0, min(1, alpha x + beta)) is alpha times x + beta / alpha, kept between 0 and 1 / alpha. The integer Add of x and
the constant beta / alpha does that by itself: with a zero point of 0 its codes end at 0, and with a scale of
s / alpha at the code of 1. Read with the scale s, the same codes are the HardSigmoid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

__all__ = ["SumForm", "sum_form"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SumForm:
    """The constant to add, which is one step of its own scale, and the scale to quantize the sum with."""

    offset: np.float32
    scale: np.float32


def sum_form(node: ir.Node, scale: np.ndarray | np.float32) -> SumForm:
    """Numbers of a HardSigmoid whose output has the scale `scale` and the zero point 0."""
    alpha, beta = node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)
    return SumForm(offset=np.float32(beta / alpha), scale=np.float32(np.float64(scale) / alpha))
