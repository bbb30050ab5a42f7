"""What `--target auto` measured: a draft for every target, and the one that was chosen."""

from __future__ import annotations

from dataclasses import dataclass

from gdfq_export.verify.latency import RatioInterval, Timings

__all__ = ["Candidate", "TargetChoice"]


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
