"""A figure of a task compared with the baseline's: by how much it became worse."""

from __future__ import annotations

import math
from collections.abc import Callable

from gdfq_export.gates import Gate
from gdfq_export.report.baseline import Baseline, change_text, missing, same_file
from gdfq_export.report.gates import worst_layer
from gdfq_export.report.report import Report
from gdfq_export.report.verdict import Figure
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import counted
from gdfq_export.tasks.figures import TaskFigure, TaskFigures


def task_change(gate: Gate) -> Callable[[Report, Baseline], Figure | NotMeasured]:
    """The change of the figure of `Report.task` that a gate limits.

    It is positive where the figure became worse: greater where the gate is an upper limit, else smaller. The interval
    is that of the difference of two independent figures (Zou and Donner, Statistics in Medicine 27, 2008).

    Args:
        gate: one with `from_task`.
    """

    def worse(report: Report, baseline: Baseline) -> Figure | NotMeasured:
        now, then = (_figure(each, gate.figure) for each in (report, baseline))
        if isinstance(now, NotMeasured):
            return now
        if isinstance(then, NotMeasured):
            return missing("task", then)
        return _change(report, baseline, now, then, most=gate.most)

    return worse


def _figure(report: Report | Baseline, name: str) -> tuple[TaskFigures, TaskFigure] | NotMeasured:
    task = report.task
    found = None if task is None else next((each for each in task.figures if each.name == name), None)
    if task is None and isinstance(report.agreement, NotMeasured):
        return report.agreement
    if task is None or found is None:
        return NotMeasured(reason=f"no {name} was measured; name labelled images with --data")
    return task, found


def _change(
    report: Report,
    baseline: Baseline,
    now: tuple[TaskFigures, TaskFigure],
    then: tuple[TaskFigures, TaskFigure],
    *,
    most: bool,
) -> Figure:
    (task, figure), (task_before, before) = now, then
    first, second = (figure, before) if most else (before, figure)
    by = first.value - second.value
    on = (
        f"{change_text(by)}: {figure.value:.4g} on {counted(task.images, 'image')} of {task.source}, "
        f"{before.value:.4g} on {task_before.images:,} of {task_before.source} in the baseline"
    )
    if by == 0 and same_file(report, baseline):
        return Figure.exact(0.0, f"{on}, the same file")
    return Figure(
        value=by,
        low=by - math.hypot(first.value - first.low, second.high - second.value),
        high=by + math.hypot(first.high - first.value, second.value - second.low),
        sample=figure.sample,
        each=figure.each,
        on=on,
        blame=worst_layer(report),
    )
