"""A report held against an earlier one: how much worse each figure may have become.

Every figure is taken in its own unit, and an allowance is added to it: `top1-pp=0.5` lets top-1 fall by half a point,
`latency-ratio=0.05` lets a file that took 0.40 of float's time take 0.45. Times and memory are held as ratios to the
float network measured beside the file, so that a baseline of another machine still says something.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gdfq_export.errors import InputError, InternalError
from gdfq_export.metrics.latency import Latency
from gdfq_export.metrics.resources import FileResources
from gdfq_export.report.baseline_file import read_baseline
from gdfq_export.report.baseline_scores import Earlier, against, agreement_worse, missing, same_float, top1_worse
from gdfq_export.report.gates import float_nodes
from gdfq_export.report.report import Report
from gdfq_export.report.verdict import Figure, GateResult, hold
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import counted

__all__ = ["REGRESSIONS", "Regression", "parse_regression", "read_baseline", "regressions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """One figure that can become worse: `help` says which; `worse` measures by how much it did, in `unit`."""

    name: str
    help: str
    unit: str
    worse: Callable[[Report, Earlier], Figure | NotMeasured]


def parse_regression(text: str) -> tuple[str, float]:
    """`top1-pp=0.5` as name and allowance.

    Raises:
        InputError: there is no figure of that name, or the allowance is no number from 0.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    names = ", ".join(each.name for each in REGRESSIONS)
    if not equals or name not in {each.name for each in REGRESSIONS}:
        raise InputError(f"--max-regression {text!r} is not NAME=VALUE with a name among {names}")
    try:
        allowed = float(value)
    except ValueError:
        allowed = math.nan
    if not (math.isfinite(allowed) and allowed >= 0):
        raise InputError(f"--max-regression {text!r}: {value!r} is not a number from 0; give how much worse it may be")
    return name, allowed


def regressions(report: Report, baseline: Earlier, allowed: Mapping[str, float]) -> tuple[GateResult, ...]:
    """Hold a report against a baseline, `allowed` being by name of `REGRESSIONS`, in the order of that table.

    Raises:
        InternalError: there is no figure of such a name.
    """
    if strangers := sorted(set(allowed) - {each.name for each in REGRESSIONS}):
        raise InternalError(f"there is no regression {strangers[0]}")
    return tuple(
        hold(f"max-regression {each.name}", each.unit, each.worse(report, baseline), allowed[each.name], most=True)
        for each in REGRESSIONS
        if each.name in allowed
    )


def _latency(report: Report, earlier: Earlier) -> Figure | NotMeasured:
    pair = _latencies(report, earlier)
    if isinstance(pair, NotMeasured):
        return pair
    speedup, then = pair[0].speedup, pair[1]["speedup"]
    now, low, high = (1 / ratio for ratio in (speedup.value, speedup.high, speedup.low))
    before, before_low, before_high = (1 / then[key] for key in ("value", "high", "low"))
    value = now - before
    return Figure(
        value=value,
        low=value - math.hypot(now - low, before_high - before),
        high=value + math.hypot(high - now, before - before_low),
        sample=speedup.rounds,
        each="rounds",
        on=_to_float("time", now, before) + _setting(report, earlier, *pair),
        blame=float_nodes(report),
    )


def _p99(report: Report, earlier: Earlier) -> Figure | NotMeasured:
    pair = _latencies(report, earlier)
    if isinstance(pair, NotMeasured):
        return pair
    now = pair[0].quantized.p99_ms / pair[0].float_network.p99_ms
    before = pair[1]["quantized"]["p99_ms"] / pair[1]["float_network"]["p99_ms"]
    return _exact(now - before, _to_float("99th percentile", now, before) + _setting(report, earlier, *pair))


def _size(report: Report, earlier: Earlier) -> Figure | NotMeasured:
    now, before = report.files.size_ratio, earlier["files"]["size_ratio"]
    return _exact(now - before, _to_float("bytes", now, before) + _other_float(report, earlier))


def _coverage(report: Report, earlier: Earlier) -> Figure | NotMeasured:
    if isinstance(report.coverage, NotMeasured):
        return report.coverage
    if earlier["coverage"] is None:
        return missing(earlier, "coverage")
    now, before = report.coverage.ratio, earlier["coverage"]["ratio"]
    on = (
        f"{against(before - now)}: {now:.4g} of the layers run on integers in {report.coverage.runtime}, "
        f"{before:.4g} in {earlier['coverage']['runtime']} in the baseline"
    )
    return _exact(before - now, on, float_nodes(report))


def _resource(key: str, what: str, of: Callable[[FileResources], float]) -> Callable[..., Figure | NotMeasured]:
    def worse(report: Report, earlier: Earlier) -> Figure | NotMeasured:
        if isinstance(report.resources, NotMeasured):
            return report.resources
        if (then := earlier["resources"]) is None:
            return missing(earlier, "resources")
        below = of(report.resources.float_network), then["float_network"][key]
        if min(below) <= 0:
            return NotMeasured(reason=f"the float network's {what} was too small to measure")
        now, before = of(report.resources.quantized) / below[0], then["quantized"][key] / below[1]
        on = _to_float(what, now, before) + _other_machine(report, earlier) + _other_float(report, earlier)
        return _exact(now - before, on)

    return worse


def _latencies(report: Report, earlier: Earlier) -> tuple[Latency, Earlier] | NotMeasured:
    if isinstance(report.latency, NotMeasured):
        return report.latency
    return missing(earlier, "latency") if earlier["latency"] is None else (report.latency, earlier["latency"])


def _exact(value: float, on: str, blame: str = "") -> Figure:
    return Figure(value=value, low=value, high=value, on=on, blame=blame)


def _to_float(what: str, now: float, before: float) -> str:
    return f"{against(now - before)}: {now:.4g} of float's {what}, {before:.4g} in the baseline"


def _setting(report: Report, earlier: Earlier, now: Latency, before: Earlier) -> str:
    """What differs between two timings beside the files."""
    given = (now.batch, now.threads), (before["batch"], before["threads"])
    other = "" if given[0] == given[1] else f", which was of batch {given[1][0]} on {counted(given[1][1], 'thread')}"
    return other + _other_machine(report, earlier) + _other_float(report, earlier)


def _other_machine(report: Report, earlier: Earlier) -> str:
    cpu = earlier["machine"]["cpu"]
    return "" if cpu == report.machine.cpu else f", measured on another machine ({cpu}; here {report.machine.cpu})"


def _other_float(report: Report, earlier: Earlier) -> str:
    return "" if same_float(report, earlier) else ", whose float network is another file"


REGRESSIONS: tuple[Regression, ...] = (
    Regression(name="top1-pp", help="Top-1, in percentage points.", unit="pp", worse=top1_worse),
    Regression(name="agreement", help="Share of images with float's answer.", unit="", worse=agreement_worse),
    Regression(name="latency-ratio", help="The file's time by float's.", unit="", worse=_latency),
    Regression(name="p99-ratio", help="99th percentile of the file's time by float's.", unit="", worse=_p99),
    Regression(name="size-ratio", help="The file's bytes by float's.", unit="", worse=_size),
    Regression(name="integer-coverage", help="Share of layers that run on integers.", unit="", worse=_coverage),
    Regression(
        name="load-seconds-ratio",
        help="Seconds to load the file by float's.",
        unit="",
        worse=_resource("load_seconds", "load time", lambda used: used.load_seconds),
    ),
    Regression(
        name="peak-memory-ratio",
        help="Peak memory of the file by float's.",
        unit="",
        worse=_resource("peak_memory_bytes", "peak memory", lambda used: used.peak_memory_bytes),
    ),
)
