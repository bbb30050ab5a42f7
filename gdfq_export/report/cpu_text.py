"""What one CPU computes beside the float network and beside this machine, as text."""

from __future__ import annotations

from gdfq_export.report.cpu_figures import CpuFigures
from gdfq_export.report.figure_text import shown, value_percent
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import counted
from gdfq_export.tasks.classification.agreement import Agreement
from gdfq_export.tasks.figures import TaskFigures


def cpu_outputs(figures: CpuFigures) -> tuple[str, str]:
    """The outputs on one CPU beside the float network's, and beside this machine's; "" where not compared."""
    native = figures.native
    beside_native = ""
    if not isinstance(native, NotMeasured):
        same = f"{native.differing:,} of {counted(native.values, 'output value')} differ from this machine's"
        if not isinstance(native.integers, NotMeasured):
            same = f"{native.integers.differing:,} of {counted(native.integers.elements, 'integer')} and {same}"
        beside_native = f"{same}, {_closeness(native.agreement, native.task)}" if native.differing else same
    beside_float = _closeness(figures.agreement, figures.task)
    return f"{beside_float} with float" if beside_float else "", beside_native


def cpu_layers(figures: CpuFigures) -> str:
    """`9 of 9 layers on integers`; "" where not measured."""
    coverage = figures.coverage
    if isinstance(coverage, NotMeasured):
        return ""
    total = coverage.integer_compute + len(coverage.float_compute)
    return f"{coverage.integer_compute} of {counted(total, 'layer')} on integers"


def _closeness(agreement: Agreement | NotMeasured, task: TaskFigures | NotMeasured) -> str:
    """The agreement of classes or, without classes, the first figure of the task."""
    if not isinstance(agreement, NotMeasured):
        return f"agreement {value_percent(agreement.top1)}"
    if isinstance(task, NotMeasured) or not task.figures:
        return ""
    figure = task.figures[0]
    return f"{figure.title} {shown(figure.value, figure.unit)}"
