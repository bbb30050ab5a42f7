"""Times, errors and limits of a choice of precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Noise = NDArray[np.float64]
"""Noise power by signal power of each output, [outputs]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTime:
    """Milliseconds of one unit for one image, as integers and in float."""

    integer: float
    floating: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Milliseconds for one image.

    Attributes:
        units: by the name of the unit.
        quantize: of each tensor, where a float unit writes it and a quantized one reads it.
        dequantize: of each tensor, the other way round.
        whole: of the network with everything quantized, everything that is no unit included.
        whole_float: of the float network, likewise; its file's, once latencies of drafts were measured.
        measured: in the runtime's profile; tabulated otherwise.
    """

    units: Mapping[str, UnitTime]
    quantize: Mapping[str, float]
    dequantize: Mapping[str, float]
    whole: float
    whole_float: float
    measured: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the choice must keep: noise of each output, milliseconds for one image, bytes that float weights add."""

    noise: Noise | None = None
    time: float = np.inf
    bytes_added: float = np.inf
