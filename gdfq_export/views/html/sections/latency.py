"""Latency distributions of both networks, the machine's noise, load time and memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gdfq_export.metrics.latency import Latency, Timings
from gdfq_export.metrics.resources import Resources
from gdfq_export.report.report import Report
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.views.html.numerals import GAP, count, kilobytes, milliseconds, percent, significant
from gdfq_export.views.html.outline import line
from gdfq_export.views.html.scale import Scale, linear_scale, log_scale

_WIDE = 8  # ends that are this many times apart need a logarithmic axis
_INTERRUPTED = 3  # p99 by p50
_NOISE = (
    (0.02, "a quiet machine"),
    (0.06, "some noise"),
    (0.15, "a noisy machine: prefer the ratio, which is taken per round, to the absolute times"),
    (float("inf"), "a very noisy machine: only the ratio with its interval is reliable"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A percentile on the chart, in per cent from its left and top."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionCurve:
    """Cumulative distribution of one network's latency; `path` is empty without quantiles."""

    kind: str
    path: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyView:
    """The chart's curves, the table's rows (name, float, quantized), and the noise as a sentence."""

    scale: Scale
    curves: tuple[DistributionCurve, ...]
    rows: tuple[tuple[str, str, str], ...]
    noise: str


def latency_view(report: Report) -> LatencyView | None:
    """None where latency was not measured."""
    latency = report.latency
    if isinstance(latency, NotMeasured):
        return None
    both = (("float", latency.float_network), ("quantized", latency.quantized))
    ends = [end for _, timings in both for end in (timings.quantiles_ms[:1] or (timings.p50_ms,))]
    low, high = min(ends), max(timings.p99_ms for _, timings in both)
    scale = log_scale(low, high) if high > _WIDE * low else linear_scale(low, high)
    return LatencyView(
        scale=scale,
        curves=tuple(_curve(kind, timings, scale) for kind, timings in both),
        rows=_rows(latency),
        noise=noise(latency),
    )


def noise(latency: Latency) -> str:
    """The machine's noise, from the spread of the rounds' medians and a tail that both networks share."""
    both = (latency.float_network, latency.quantized)
    spread = max(timings.relative_iqr for timings in both)
    words = next(words for most, words in _NOISE if spread <= most)
    tail = min(timings.p99_ms / timings.p50_ms for timings in both)
    return f"The interquartile range of the rounds' medians is {percent(spread, 1)}: {words}." + (
        f" In both networks 1 % of the runs take over {significant(tail, 2)} x the median: the machine was interrupted."
        if tail > _INTERRUPTED
        else ""
    )


def resource_rows(resources: Resources) -> tuple[tuple[str, str, str], ...]:
    """Load time and memory of both files."""
    both = (resources.float_network, resources.quantized)
    load = [milliseconds(1000 * file.load_seconds) for file in both]
    memory = [kilobytes(file.peak_memory_bytes) for file in both]
    return ("load time", load[0], load[1]), ("peak memory, without the runtime", memory[0], memory[1])


def _curve(kind: str, timings: Timings, scale: Scale) -> DistributionCurve:
    last = len(timings.quantiles_ms) - 1
    points = [(value, 100 * index / last) for index, value in enumerate(timings.quantiles_ms[:-1])]
    points = sorted([*points, (timings.p99_ms, 99.0)], key=lambda point: point[1]) if points else []
    marks = ((timings.p50_ms, 50, "p50"), (timings.p90_ms, 90, "p90"), (timings.p99_ms, 99, "p99"))
    return DistributionCurve(
        kind=kind,
        path=line((scale.at(value), 100 - share) for value, share in points) if points else "",
        marks=tuple(
            Mark(x=scale.at(value), y=100 - share, text=f"{kind} {name}: {milliseconds(value)}")
            for value, share, name in marks
        ),
    )


def _rows(latency: Latency) -> tuple[tuple[str, str, str], ...]:
    both = (latency.float_network, latency.quantized)

    def row(name: str, tell: Callable[[Timings], str]) -> tuple[str, str, str]:
        return name, tell(both[0]), tell(both[1])

    rows = [
        row("p50", lambda timings: milliseconds(timings.p50_ms)),
        row("p90", lambda timings: milliseconds(timings.p90_ms)),
        row("p99", lambda timings: milliseconds(timings.p99_ms)),
    ]
    if all(timings.quantiles_ms for timings in both):
        rows.append(row("slowest run", lambda timings: milliseconds(timings.quantiles_ms[-1])))
    return (
        *rows,
        row("throughput at p50", lambda timings: f"{significant(1000 * latency.batch / timings.p50_ms)}{GAP}images/s"),
        row("interquartile range of the rounds", lambda timings: percent(timings.relative_iqr, 1)),
        row("runs", lambda timings: count(timings.runs)),
    )
