"""One choice of precision as it was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gdfq_export.planning.precision.costs import Noise
from gdfq_export.tasks.output_comparison import MOST_DB


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeasuredDraft:
    """One choice and what was measured of it.

    Attributes:
        floats: names of the units that are float.
        noise: noise power by signal power of each output, [outputs], on the held-out images.
        agreement: of a classifier: share of the held-out images with the float network's class.
        latency_ratio: median latency relative to the float network's; None: not measured.
        size_ratio: bytes of the file relative to the float network's.
        margin_db: from the SNR of each output to the lower end of its 95 % interval, dB, [outputs].
    """

    floats: frozenset[str]
    noise: Noise
    margin_db: Noise
    agreement: float | None
    latency_ratio: float | None
    size_ratio: float

    @property
    def snr_db(self) -> float:
        """Of the noisiest output, dB."""
        return decibels(self.noise)

    @property
    def snr_low_db(self) -> float:
        """The lowest among the lower ends of the outputs' intervals, dB."""
        return decibels(self.noise * 10 ** (self.margin_db / 10))


def decibels(noise: Noise) -> float:
    """Signal to noise of the noisiest output, dB; 200 where there is no noise."""
    worst = float(noise.max(initial=0.0))
    return MOST_DB if worst <= 0 else min(MOST_DB, -10 * math.log10(worst))
