"""How long a run takes: both networks' distributions, how noisy the machine was, load time and memory."""

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

__all__ = ["LatencyView", "latency_view", "noise", "resource_rows"]

_WIDE = 8  # ends that are this many times apart need a logarithmic axis
_INTERRUPTED = 3  # p99 by p50
_NOISE = (
    (0.02, "the machine was quiet"),
    (0.06, "the machine was a little restless"),
    (0.15, "the machine was noisy: trust the ratio, which is taken round by round, more than the times"),
    (float("inf"), "the machine was very noisy: the times are rough, and only the ratio with its interval holds"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A percentile on the chart, in per cent from its left and top."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One network's share of runs that are done after so many milliseconds; `path` is empty without quantiles."""

    kind: str
    path: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyView:
    """The chart's courses, the table's rows (what, float, quantized), and the noise in words."""

    scale: Scale
    courses: tuple[Course, ...]
    rows: tuple[tuple[str, str, str], ...]
    noise: str


def latency_view(report: Report) -> LatencyView | None:
    """None where no time was taken."""
    latency = report.latency
    if isinstance(latency, NotMeasured):
        return None
    both = (("float", latency.float_network), ("quantized", latency.quantized))
    ends = [end for _, timings in both for end in (timings.quantiles_ms[:1] or (timings.p50_ms,))]
    low, high = min(ends), max(timings.p99_ms for _, timings in both)
    scale = log_scale(low, high) if high > _WIDE * low else linear_scale(low, high)
    return LatencyView(
        scale=scale,
        courses=tuple(_course(kind, timings, scale) for kind, timings in both),
        rows=_rows(latency),
        noise=noise(latency),
    )


def noise(latency: Latency) -> str:
    """What the spread of the rounds' medians, and a tail that both networks have, say of the machine."""
    both = (latency.float_network, latency.quantized)
    drift = max(timings.relative_iqr for timings in both)
    words = next(words for most, words in _NOISE if drift <= most)
    tail = min(timings.p99_ms / timings.p50_ms for timings in both)
    return f"The middle half of the rounds' medians spreads by {percent(drift, 1)}: {words}." + (
        f" Of both networks one run in a hundred takes more than {significant(tail, 2)} times the median: what they "
        "have in common is the machine, which was interrupted."
        if tail > _INTERRUPTED
        else ""
    )


def resource_rows(resources: Resources) -> tuple[tuple[str, str, str], ...]:
    """Load time and memory of both files."""
    both = (resources.float_network, resources.quantized)
    load = [milliseconds(1000 * file.load_seconds) for file in both]
    memory = [kilobytes(file.peak_memory_bytes) for file in both]
    return ("time to load", load[0], load[1]), ("peak memory beside the runtime's own", memory[0], memory[1])


def _course(kind: str, timings: Timings, scale: Scale) -> Course:
    last = len(timings.quantiles_ms) - 1
    points = [(value, 100 * index / last) for index, value in enumerate(timings.quantiles_ms[:-1])]
    points = sorted([*points, (timings.p99_ms, 99.0)], key=lambda point: point[1]) if points else []
    marks = ((timings.p50_ms, 50, "p50"), (timings.p90_ms, 90, "p90"), (timings.p99_ms, 99, "p99"))
    return Course(
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
        row("p50, the median run", lambda timings: milliseconds(timings.p50_ms)),
        row("p90", lambda timings: milliseconds(timings.p90_ms)),
        row("p99", lambda timings: milliseconds(timings.p99_ms)),
    ]
    if all(timings.quantiles_ms for timings in both):
        rows.append(row("slowest run", lambda timings: milliseconds(timings.quantiles_ms[-1])))
    return (
        *rows,
        row("throughput at p50", lambda timings: f"{significant(1000 * latency.batch / timings.p50_ms)}{GAP}images/s"),
        row("drift of the rounds", lambda timings: percent(timings.relative_iqr, 1)),
        row("runs", lambda timings: count(timings.runs)),
    )
