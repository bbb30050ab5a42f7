"""A report compared with a baseline: how much worse each figure may be.

Each figure has its own unit, and the allowance is added to it: `top1-pp=0.5` lets top-1 accuracy fall by half a
percentage point, `latency-ratio=0.05` lets a file that took 0.40 of the float network's time take 0.45. Latency and
memory are compared as ratios to the float network measured beside the file, so that a baseline of another machine can
still be compared. A figure of a task has the name and unit of its gate: `mask-iou=0.01` lets the IoU of masks fall by a
hundredth, `map-drop-pp=0.5` lets the drop of mAP grow by half a point. `parity=0` lets no CPU lose parity.

Where both runs scored the same float network on the same images, the change of top-1 is the change of the paired drop.
Its interval is that of the difference of two drops, taken as independent (Zou and Donner, Statistics in Medicine 27,
2008): two quantized forms of one network err on much the same images, so the interval is conservative. Otherwise both
are proportions of separate samples. The interval of any other figure's change is that of a difference of independent
ones too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gdfq_export.errors import InputError, InternalError
from gdfq_export.gates import GATES, Gate
from gdfq_export.metrics.latency import Latency
from gdfq_export.metrics.resources import FileResources
from gdfq_export.report.baseline import Baseline, change_text, missing, other_machine, same_file, same_float
from gdfq_export.report.gates import float_nodes, latency_ratio, worst_layer
from gdfq_export.report.regressions.parity_change import parity_change
from gdfq_export.report.regressions.task_change import task_change
from gdfq_export.report.report import Report
from gdfq_export.report.verdict import Figure, GateResult, evaluate_gate
from gdfq_export.support.confidence_interval import Proportion, unpaired_difference_interval
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """A figure that can become worse: `worse` measures by how much it did, in `unit`; `tasks` have it, none: all."""

    name: str
    help: str
    worse: Callable[[Report, Baseline], Figure | NotMeasured]
    unit: str = ""
    tasks: tuple[str, ...] = ()


def parse_regression(text: str) -> tuple[str, float]:
    """`top1-pp=0.5` as name and allowance.

    Raises:
        InputError: there is no figure of that name, or the allowance is not a number of at least 0.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    names = [each.name for each in REGRESSIONS]
    if not equals or name not in names:
        raise InputError(f"--max-regression {text!r} is not NAME=VALUE with a name among {', '.join(names)}")
    try:
        allowed = float(value)
    except ValueError:
        allowed = math.nan
    if not (math.isfinite(allowed) and allowed >= 0):
        raise InputError(f"--max-regression {text!r}: {value!r} is not a number of at least 0; give the allowed change")
    return name, allowed


def require_regressions_of_task(allowed: Mapping[str, float], task: str, where: str) -> None:
    """Refuse figures that a network of this task, called `where`, does not have.

    Raises:
        InputError: there is one.
    """
    for each in REGRESSIONS:
        if each.name in allowed and each.tasks and task not in each.tasks:
            possible = ", ".join(other.name for other in REGRESSIONS if task in (other.tasks or (task,)))
            raise InputError(
                f"--max-regression {each.name} is a figure of the task {' and '.join(each.tasks)}, and {where} is a "
                f"network of the task {task}, which has {possible}; or name another task with --task"
            )


def regressions(report: Report, baseline: Baseline, allowed: Mapping[str, float]) -> tuple[GateResult, ...]:
    """Compare a report with a baseline; `allowed` is by name of `REGRESSIONS`, the results are in that table's order.

    Raises:
        InternalError: there is no figure of such a name.
    """
    if unknown := sorted(set(allowed) - {each.name for each in REGRESSIONS}):
        raise InternalError(f"there is no regression {unknown[0]}")
    return tuple(
        evaluate_gate(
            Gate(name=f"max-regression {each.name}", help=each.help, unit=each.unit, most=True),
            each.worse(report, baseline),
            allowed[each.name],
        )
        for each in REGRESSIONS
        if each.name in allowed
    )


def _top1(report: Report, baseline: Baseline) -> Figure | NotMeasured:
    accuracy, before = report.accuracy, baseline.accuracy
    if isinstance(accuracy, NotMeasured):
        return accuracy
    if isinstance(before, NotMeasured):
        return missing("accuracy", before)
    now, then, worse = accuracy.top1, before.top1, 100 * (before.top1.quantized.value - accuracy.top1.quantized.value)
    on = (
        f"{change_text(worse)}: {100 * now.quantized.value:.2f} % of {counted(accuracy.images, 'image')} of "
        f"{accuracy.source}, {100 * then.quantized.value:.2f} % of {before.images:,} of {before.source} in the baseline"
    )
    same_images = (accuracy.source, accuracy.images, now.float_network.count) == (
        before.source,
        before.images,
        then.float_network.count,
    )
    if not (same_images and same_float(report, baseline)):
        return _scored(report, baseline, now.quantized, then.quantized, on, 100)
    below = math.hypot(now.drop_pp - now.drop_low_pp, then.drop_high_pp - then.drop_pp)
    above = math.hypot(now.drop_high_pp - now.drop_pp, then.drop_pp - then.drop_low_pp)
    if worse == 0 and same_file(report, baseline):
        return Figure.exact(0.0, f"{on}, the same file")
    return Figure(
        value=worse, low=worse - below, high=worse + above, sample=accuracy.images, on=on, blame=worst_layer(report)
    )


def _agreement(report: Report, baseline: Baseline) -> Figure | NotMeasured:
    """On labelled images where both reports have them, else on images without labels."""
    if not isinstance(report.accuracy, NotMeasured) and not isinstance(baseline.accuracy, NotMeasured):
        now, source = report.accuracy.agreement, report.accuracy.source
        then, source_then = baseline.accuracy.agreement, baseline.accuracy.source
    elif isinstance(report.agreement, NotMeasured):
        return report.agreement
    elif isinstance(baseline.agreement, NotMeasured):
        return missing("agreement", baseline.agreement)
    else:
        now, source = report.agreement.top1, report.agreement.source
        then, source_then = baseline.agreement.top1, baseline.agreement.source
    on = (
        f"{change_text(then.value - now.value)}: {now.value:.4f} of {counted(now.images, 'image')} of {source}, "
        f"{then.value:.4f} of {then.images:,} of {source_then} in the baseline"
    )
    return _scored(report, baseline, now, then, on)


def _scored(
    report: Report, baseline: Baseline, now: Proportion, then: Proportion, on: str, factor: float = 1
) -> Figure:
    """The difference of two proportions; exactly 0 for the same file with the same score."""
    worse = factor * (then.value - now.value)
    if worse == 0 and same_file(report, baseline):
        return Figure.exact(0.0, f"{on}, the same file")
    low, high = (factor * bound for bound in unpaired_difference_interval(then, now))
    return Figure(value=worse, low=low, high=high, sample=now.images, on=on, blame=worst_layer(report))


def _latency(report: Report, baseline: Baseline) -> Figure | NotMeasured:
    pair = _latencies(report, baseline)
    if isinstance(pair, NotMeasured):
        return pair
    (now, low, high), (before, before_low, before_high) = map(latency_ratio, pair)
    return Figure(
        value=now - before,
        low=now - before - math.hypot(now - low, before_high - before),
        high=now - before + math.hypot(high - now, before - before_low),
        sample=pair[0].speedup.rounds,
        each="round",
        on=_to_float("latency", now, before) + _setting(report, baseline, pair),
        blame=float_nodes(report),
    )


def _p99(report: Report, baseline: Baseline) -> Figure | NotMeasured:
    pair = _latencies(report, baseline)
    if isinstance(pair, NotMeasured):
        return pair
    now, before = (each.quantized.p99_ms / each.float_network.p99_ms for each in pair)
    return Figure.exact(now - before, _to_float("99th percentile", now, before) + _setting(report, baseline, pair))


def _size(report: Report, baseline: Baseline) -> Figure | NotMeasured:
    now, before = report.files.size_ratio, baseline.files.size_ratio
    return Figure.exact(now - before, _to_float("bytes", now, before) + _other_float(report, baseline))


def _coverage(report: Report, baseline: Baseline) -> Figure | NotMeasured:
    if isinstance(report.coverage, NotMeasured):
        return report.coverage
    if isinstance(baseline.coverage, NotMeasured):
        return missing("coverage", baseline.coverage)
    now, before = report.coverage.ratio, baseline.coverage.ratio
    on = (
        f"{change_text(before - now)}: {now:.4g} of the layers run on integers in {report.coverage.runtime}, "
        f"{before:.4g} in {baseline.coverage.runtime} in the baseline"
    )
    return Figure.exact(before - now, on, float_nodes(report))


def _resource(what: str, of: Callable[[FileResources], float]) -> Callable[..., Figure | NotMeasured]:
    def worse(report: Report, baseline: Baseline) -> Figure | NotMeasured:
        used, before = report.resources, baseline.resources
        if isinstance(used, NotMeasured):
            return used
        if isinstance(before, NotMeasured):
            return missing("resources", before)
        if min(of(used.float_network), of(before.float_network)) <= 0:
            return NotMeasured(reason=f"the float network's {what} was too small to measure")
        now, then = (of(each.quantized) / of(each.float_network) for each in (used, before))
        on = _to_float(what, now, then) + other_machine(report, baseline) + _other_float(report, baseline)
        return Figure.exact(now - then, on)

    return worse


def _latencies(report: Report, baseline: Baseline) -> tuple[Latency, Latency] | NotMeasured:
    if isinstance(report.latency, NotMeasured):
        return report.latency
    if isinstance(baseline.latency, NotMeasured):
        return missing("latency", baseline.latency)
    return report.latency, baseline.latency


def _to_float(what: str, now: float, before: float) -> str:
    return f"{change_text(now - before)}: {now:.4g} of float's {what}, {before:.4g} in the baseline"


def _setting(report: Report, baseline: Baseline, pair: tuple[Latency, Latency]) -> str:
    """How the two timings differ apart from the files."""
    now, before = pair
    same = (now.batch, now.threads) == (before.batch, before.threads)
    other = "" if same else f", which was measured at batch {before.batch} on {counted(before.threads, 'thread')}"
    return other + other_machine(report, baseline) + _other_float(report, baseline)


def _other_float(report: Report, baseline: Baseline) -> str:
    return "" if same_float(report, baseline) else ", whose float network is another file"


REGRESSIONS: tuple[Regression, ...] = (
    Regression(name="top1-pp", help="Top-1 accuracy, percentage points.", unit="pp", worse=_top1, tasks=("classify",)),
    Regression(name="agreement", help="Top-1 agreement with the float network.", worse=_agreement, tasks=("classify",)),
    *(
        Regression(
            name=gate.name.partition("-")[2], help=gate.help, unit=gate.unit, worse=task_change(gate), tasks=gate.tasks
        )
        for gate in GATES
        if gate.from_task
    ),
    Regression(name="latency-ratio", help="Median latency, quantized / float.", worse=_latency),
    Regression(name="p99-ratio", help="99th percentile of latency, quantized / float.", worse=_p99),
    Regression(name="size-ratio", help="File size, quantized / float.", worse=_size),
    Regression(
        name="parity",
        help="CPUs whose integers were as simulated in the baseline and no longer are.",
        worse=parity_change,
    ),
    Regression(name="integer-coverage", help="Fraction of layers executed on integers.", worse=_coverage),
    Regression(
        name="load-seconds-ratio",
        help="Load time, quantized / float.",
        worse=_resource("load time", lambda used: used.load_seconds),
    ),
    Regression(
        name="peak-memory-ratio",
        help="Peak memory, quantized / float.",
        worse=_resource("peak memory", lambda used: used.peak_memory_bytes),
    ),
)
