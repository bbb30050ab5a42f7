"""What `--target auto` measured: a draft for every target, and the one that was chosen."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from gdfq_export.metrics.latency import RatioInterval, Timings


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One target's draft, or why there is none; `speedup` is over the fastest float network."""

    target: str
    runtime: str
    timings: Timings | None
    speedup: RatioInterval | None
    integer_compute: int
    float_compute: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetChoice:
    """What was measured and what came of it; `float_runtime` runs the float network fastest."""

    chosen: str
    reason: str
    batch: int
    threads: int
    float_runtime: str
    float_timings: Timings
    candidates: tuple[Candidate, ...]

    @property
    def by_speed(self) -> tuple[str, ...]:
        """The chosen target, then the others that run here faster than float, the fastest first."""
        faster = [
            (each.timings.p50_ms, each.target)
            for each in self.candidates
            if each.timings is not None and each.speedup is not None and each.speedup.low > 1
        ]
        return (self.chosen, *(target for _, target in sorted(faster) if target != self.chosen))

    def with_reason(self, target: str, reason: str) -> TargetChoice:
        """The same with another reason at one target."""
        candidates = (
            dataclasses.replace(each, reason=reason) if each.target == target else each for each in self.candidates
        )
        return dataclasses.replace(self, candidates=tuple(candidates))
