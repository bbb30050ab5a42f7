"""Types of ONNX that hold signed codes in less than a byte, and the versions that know them (ONNX IR.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import ml_dtypes
import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class NarrowType:
    """One type: NumPy's name for it, and the first opset and IR version that have it."""

    dtype: np.dtype
    opset: int
    ir_version: int


NARROW_TYPES: Mapping[int, NarrowType] = MappingProxyType(
    {
        4: NarrowType(dtype=np.dtype(ml_dtypes.int4), opset=21, ir_version=10),
        2: NarrowType(dtype=np.dtype(ml_dtypes.int2), opset=25, ir_version=13),
    }
)
"""By their bits."""
