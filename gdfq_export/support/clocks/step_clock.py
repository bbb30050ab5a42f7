"""Seconds between the steps of a training that is timed before a longer one is planned."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from gdfq_export.support.clocks.device_clock import seconds_now

_SHORTEST = 1e-6  # seconds; a clock may not resolve less


class StepClock:
    """Called after each step; `seconds` holds the time since the call before, the first since the clock was made."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last = seconds_now()

    def __call__(self, done: int, total: int, facts: Mapping[str, float] | None = None) -> None:
        """Note the end of a step."""
        del done, total, facts
        now = seconds_now()
        self.seconds.append(max(_SHORTEST, now - self._last))
        self._last = now

    @property
    def shortest(self) -> float:
        """Seconds of the shortest step; the first, which warms up, is not counted."""
        return min(self.seconds[1:])

    @property
    def median(self) -> float:
        """Median seconds of a step; the first, which warms up, is not counted."""
        return statistics.median(self.seconds[1:])
