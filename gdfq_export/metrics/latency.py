"""Latency of several networks relative to each other, measured in one process with interleaved runs.

Absolute times drift with the machine's load and clock; a ratio taken within a few milliseconds does not. In each round
every network runs a block of about 20 ms (3 to 25 runs), the order is reversed from round to round, and each round
gives one ratio of block medians. A block's number of runs follows from the network's own latency: otherwise a fast
network beside slow ones would be timed only while its code and weights are loaded back into the caches. The reported
ratio is the median over rounds, with a distribution-free 95 % interval from order statistics (the sign test's).
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from gdfq_export.runtimes.base import HOST_CLOCK, Images
from gdfq_export.runtimes.session import Session

Samples = NDArray[np.float64]
"""Milliseconds of one network, `[rounds, runs per round]`."""

_BLOCK_SECONDS = 0.02
_WARM_UP_SECONDS = 0.3
_FEWEST_RUNS, _MOST_RUNS = 3, 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """One network: percentiles over all its runs, in milliseconds per run of `batch` images.

    `quantiles_ms` are the 0, 5, ... 100 % quantiles. `relative_iqr` measures the machine's noise: the interquartile
    range of the rounds' medians, divided by their median.
    """

    runs: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    quantiles_ms: tuple[float, ...] = ()
    relative_iqr: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioInterval:
    """Reference latency / latency, above 1 where the network is faster; median of `rounds` with 95 % interval."""

    value: float
    low: float
    high: float
    rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Float and quantized latency, `batch` images per run, `threads` intra-op threads; `clock` names the timer."""

    source: str
    batch: int
    threads: int
    float_network: Timings
    quantized: Timings
    speedup: RatioInterval
    clock: str = HOST_CLOCK

    @property
    def images_per_second(self) -> float:
        """Throughput of the quantized file at its median latency."""
        return 1000.0 * self.batch / self.quantized.p50_ms


def interleave(
    timers: Mapping[str, Callable[[], float]],
    *,
    budget_seconds: float,
    min_rounds: int = 20,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Samples]:
    """Run `timers`, interleaved, for `budget_seconds` and at least `min_rounds` rounds, after a warm-up.

    A timer runs a network once and gives the milliseconds of that; `clock` only measures the budget.
    """
    repeats = {name: _runs_a_block(_warm_up(timer, clock)) for name, timer in timers.items()}
    rounds: dict[str, list[list[float]]] = {name: [] for name in timers}
    order = list(timers)
    collecting = gc.isenabled()
    gc.disable()
    try:
        started = clock()
        while clock() - started < budget_seconds or len(rounds[order[0]]) < min_rounds:
            for name in order:
                rounds[name].append([timers[name]() for _ in range(repeats[name])])
            order.reverse()
    finally:
        if collecting:
            gc.enable()
    return {name: np.asarray(rounds[name]) for name in timers}


def time_both(
    float_session: Session, session: Session, images: Images, source: str, *, seconds: float, threads: int
) -> Latency:
    """Time two networks on one batch of `images` from `source` for about `seconds`, each with its session's timer.

    Raises:
        InputError: a session does not take that many images at once.
    """
    timers = {"float": float_session.timer(images), "quantized": session.timer(images)}
    samples = interleave(timers, budget_seconds=seconds)
    return Latency(
        source=source,
        batch=len(images),
        threads=threads,
        float_network=summarize(samples["float"]),
        quantized=summarize(samples["quantized"]),
        speedup=versus(samples["float"], samples["quantized"]),
        clock=session.clock,
    )


def summarize(samples: Samples) -> Timings:
    """Percentiles over all runs of all rounds."""
    p50, p90, p99 = np.percentile(samples, [50, 90, 99])
    low, middle, high = np.percentile(np.median(samples, axis=1), [25, 50, 75])
    return Timings(
        runs=samples.size,
        p50_ms=float(p50),
        p90_ms=float(p90),
        p99_ms=float(p99),
        quantiles_ms=tuple(map(float, np.percentile(samples, np.arange(0, 101, 5)))),
        relative_iqr=float((high - low) / middle) if middle else 0.0,
    )


def versus(reference: Samples, other: Samples) -> RatioInterval:
    """Ratio of the two, round by round."""
    ratios = np.sort(np.median(reference, axis=1) / np.median(other, axis=1))
    low, high = median_interval(len(ratios))
    return RatioInterval(
        value=float(np.median(ratios)), low=float(ratios[low]), high=float(ratios[high]), rounds=len(ratios)
    )


def median_interval(count: int, confidence: float = 0.95) -> tuple[int, int]:
    """Indices into `count` sorted values that enclose the median with at least this confidence.

    With fewer than six values no such pair exists; the extremes are returned.
    """
    allowed = (1 - confidence) / 2
    tail, index = 0.0, 0
    for index in range(count // 2 + 1):
        tail += comb(count, index) / 2**count
        if tail > allowed:
            break
    low = max(0, index - 1)
    return low, count - 1 - low


def _runs_a_block(seconds: float) -> int:
    return max(_FEWEST_RUNS, min(_MOST_RUNS, round(_BLOCK_SECONDS / max(seconds, 1e-6))))


def _warm_up(timer: Callable[[], float], clock: Callable[[], float]) -> float:
    """Run for a while, at least three times; the median seconds of a run."""
    started = clock()
    times: list[float] = []
    while len(times) < 3 or clock() - started < _WARM_UP_SECONDS:
        times.append(timer())
    return float(np.median(times)) / 1000.0
