"""The figures that decide, as rows of a table: verdict, accuracy, speed, size, parity, integer coverage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gdfq_export.gates import GATES
from gdfq_export.report.cpu_text import cpu_layers, cpu_outputs
from gdfq_export.report.figure_text import percent, shown, shown_interval, value_percent
from gdfq_export.report.layer_names import layer_name
from gdfq_export.runtimes import runtime_title
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import counted

if TYPE_CHECKING:
    from gdfq_export.metrics.coverage import Coverage, NamedNode
    from gdfq_export.metrics.in_domain import InDomain
    from gdfq_export.metrics.parity import ParityResult
    from gdfq_export.report.cpu_figures import CpuFigures
    from gdfq_export.report.report import Report

Row = tuple[str, str, str]
"""A figure's name, its value with unit, and its sample."""

_NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryFigure:
    """One figure as text; `detail` is the reason where it was not measured.

    `section` is the part of the HTML page with the details, `gates` are the names of the gates that limit the figure.
    """

    name: str
    value: str
    detail: str
    sample: str = ""
    section: str
    gates: tuple[str, ...] = ()

    @property
    def measured(self) -> bool:
        """Whether there is a figure."""
        return self.value != _NOT_MEASURED

    @property
    def row(self) -> Row:
        """Name, value, and the rest in one line."""
        return self.name, self.value, "; ".join(filter(None, (self.detail, self.sample)))


def summary_rows(report: Report) -> list[Row]:
    """Verdict, figures and, where one stands out, the layer that adds the largest error."""
    rows = [_verdict(report), *(figure.row for figure in summary_figures(report))]
    layer = None if isinstance(report.layers, NotMeasured) else report.layers.worst_layer
    if layer is not None:
        reason = layer.cause or f"the SNR falls to {layer.snr_db:.1f} dB at tensor {layer.tensor}"
        rows.append(("largest error added by", layer_name(report, layer.op_type, layer.node), reason))
    return rows


def summary_figures(report: Report) -> list[SummaryFigure]:
    """In the order in which they decide: those of the outputs, then speed, size, parity and coverage."""
    figures = (_speed, _size, _parity, _coverage)
    return [
        *_of_outputs(report),
        *(figure(report) for figure in figures),
        *(_cpu(report, each) for each in report.cpus),
        *map(_in_domain, report.in_domain),
    ]


def _of_outputs(report: Report) -> Iterator[SummaryFigure]:
    """Accuracy and agreement of a classifier, the figures of any other task."""
    if report.task is None or report.task.name == "classify":
        yield _accuracy(report)
        yield _agreement(report)
        return
    for figure in report.task.figures:
        detail = "; ".join(filter(None, (shown_interval(figure), figure.note)))
        yield SummaryFigure(
            name=figure.title,
            value=shown(figure.value, figure.unit),
            detail=detail,
            sample=f"{counted(report.task.images, 'image')} of {report.task.source}",
            section="accuracy",
            gates=tuple(gate.name for gate in GATES if gate.from_task and gate.figure == figure.name),
        )


def not_measured_row(what: str, section: NotMeasured) -> Row:
    """The row of a figure that was not measured."""
    return what, _NOT_MEASURED, section.reason


def integer_layers(coverage: Coverage, name: Callable[[NamedNode], str]) -> tuple[str, str]:
    """How many convolutions and matrix products run on integers, and which run in float, as text."""
    named = [name(node) for node in coverage.float_compute]
    floating = f"float: {', '.join(named[:5])}{', ...' if len(named) > 5 else ''}" if named else "none in float"
    return f"{coverage.integer_compute} of {coverage.integer_compute + len(named)}", floating


def _verdict(report: Report) -> Row:
    outcome = report.outcome
    missed = "; ".join(f"{gate.name} {gate.verdict}" for gate in outcome.not_passed)
    verdict = "NO GATES" if outcome.verdict is None else outcome.verdict.upper()
    return "verdict", verdict, f"{outcome.counts}{f': {missed}' if missed else ''}"


def _missing(name: str, section: str, gates: tuple[str, ...], why: NotMeasured) -> SummaryFigure:
    return SummaryFigure(name=name, value=_NOT_MEASURED, detail=why.reason, section=section, gates=gates)


def _accuracy(report: Report) -> SummaryFigure:
    name, gates, accuracy = "top-1 accuracy", ("max-top1-drop-pp", "max-regression top1-pp"), report.accuracy
    if isinstance(accuracy, NotMeasured):
        return _missing(name, "accuracy", gates, accuracy)
    top1 = accuracy.top1
    drop = f"drop {top1.drop_pp:+.2f} pp [{top1.drop_low_pp:+.2f}, {top1.drop_high_pp:+.2f}] at 95 %"
    return SummaryFigure(
        name=name,
        value=value_percent(top1.quantized),
        detail=f"float {value_percent(top1.float_network)}, {drop}",
        sample=f"{counted(accuracy.images, 'image')} of {accuracy.source}",
        section="accuracy",
        gates=gates,
    )


def _agreement(report: Report) -> SummaryFigure:
    name, gates = "top-1 agreement with float", ("min-agreement",)
    if not isinstance(report.accuracy, NotMeasured):
        same, source = report.accuracy.agreement, report.accuracy.source
    elif not isinstance(report.agreement, NotMeasured):
        same, source = report.agreement.top1, report.agreement.source
    else:
        return _missing(name, "accuracy", gates, report.agreement)
    value, _, interval = percent(same).partition(" [")
    sample = f"{counted(same.images, 'image')} of {source}"
    if report.task is not None and report.task.constant_answer is not None:
        sample += f", to all of which float answers {report.task.constant_answer}: this says nothing"
    return SummaryFigure(name=name, value=value, detail=f"[{interval}", sample=sample, section="accuracy", gates=gates)


def _speed(report: Report) -> SummaryFigure:
    gates, latency = ("max-latency-ratio", "max-p99-ms"), report.latency
    if isinstance(latency, NotMeasured):
        return _missing("speed", "latency", gates, latency)
    ratio, floating, quantized = latency.speedup, latency.float_network, latency.quantized
    runtime = "" if report.runtime is None else f" in {runtime_title(report.runtime.measured_in)}"
    times = f"{quantized.p50_ms:.3f} ms, float {floating.p50_ms:.3f} ms"
    return SummaryFigure(
        name="speed",
        value=f"{ratio.value:.2f} x float",
        detail=f"[{ratio.low:.2f}, {ratio.high:.2f}] at 95 %; {times}",
        sample=f"batch {latency.batch}, {counted(latency.threads, 'thread')}{runtime}",
        section="latency",
        gates=gates,
    )


def _size(report: Report) -> SummaryFigure:
    files = report.files
    return SummaryFigure(
        name="file size",
        value=f"{files.size_ratio:.3f} x float",
        detail=f"{files.quantized.bytes:,} bytes, float {files.float_network.bytes:,} bytes",
        section="run",
        gates=("max-size-ratio",),
    )


def _parity(report: Report) -> SummaryFigure:
    name, gates, parity, simulation = (
        "parity with the simulation",
        _parity_gates(report, report.parity),
        report.parity,
        report.simulation,
    )
    if not isinstance(parity, NotMeasured):
        detail = f"{parity.differing:,} of {counted(parity.elements, 'value')} differ"
        if parity.first_differing is not None:
            detail += f", first in {parity.first_differing}"
        if parity.unchecked:
            detail += f"; {counted(len(parity.unchecked), 'tensor')} not simulated, such as {parity.unchecked[0]}"
        if changed := parity.outputs_changed_by_extra_outputs:
            detail += f"; {counted(changed, 'output value')} change when tensors are read"
        detail += _levels(parity)
        where = f"{counted(len(parity.tensors), 'tensor')}, {counted(parity.images, 'image')} of {parity.source}"
        value = "exact" if parity.exact else "not exact"
        return SummaryFigure(name=name, value=value, detail=detail, sample=where, section="parity", gates=gates)
    if isinstance(simulation, NotMeasured):
        return _outputs_as_simulated(report, name, gates, parity)
    value, _, interval = percent(simulation.top1).partition(" [")
    return SummaryFigure(
        name=name,
        value=value,
        detail=f"of predicted classes as simulated, [{interval}",
        sample=f"{counted(simulation.images, 'image')} of {simulation.source}",
        section="parity",
        gates=gates,
    )


def _levels(parity: ParityResult) -> str:
    """At which levels of optimisation the file computes what is simulated, where they were run."""
    exact = [each.level for each in parity.levels if each.exact]
    other = [
        f"{each.level} ({each.differing:,} of {each.elements:,} differ)" for each in parity.levels if not each.exact
    ]
    said = f"; exact at graph optimisation {', '.join(exact)}" if exact else ""
    return f"{said}; not at {', '.join(other)}" if other else said


def _parity_gates(report: Report, parity: ParityResult | NotMeasured) -> tuple[str, ...]:
    """The gate on parity, unless it is about other CPUs, or failed on another one."""
    named = [each.parity for each in report.cpus] or [report.parity]
    failed = any(not isinstance(each, NotMeasured) and not each.exact for each in named)
    exact = not isinstance(parity, NotMeasured) and parity.exact
    return () if parity not in named or (failed and exact) else ("require-parity",)


def _cpu(report: Report, figures: CpuFigures) -> SummaryFigure:
    """Parity on one CPU, then what it computes beside float and beside this machine."""
    parity, name, gates = figures.parity, f"parity on {figures.cpu}", _parity_gates(report, figures.parity)
    emulated = ", emulated: time not measured" if figures.emulated else ""
    sample = f"{counted(figures.images, 'image')} of {figures.source}{emulated}"
    detail = "; ".join(filter(None, (*cpu_outputs(figures), cpu_layers(figures))))
    if isinstance(parity, NotMeasured):
        detail = f"no parity: {parity.reason}; {detail}"
        return SummaryFigure(
            name=name, value=_NOT_MEASURED, detail=detail, sample=sample, section="parity", gates=gates
        )
    first = "" if parity.first_differing is None else f", first in {parity.first_differing}"
    differing = f"{parity.differing:,} of {counted(parity.elements, 'value')} differ{first}"
    value = "exact" if parity.exact else "not exact"
    return SummaryFigure(
        name=name, value=value, detail=f"{differing}; {detail}", sample=sample, section="parity", gates=gates
    )


def _in_domain(checked: InDomain) -> SummaryFigure:
    """Whether real images are of the kind of the training data."""
    verdict = "reversed channels fit better" if checked.reversed else "yes" if checked.in_domain else "no"
    detail = f"distance from BatchNorm's statistics {checked.distance:.3g}, at most {checked.limit:.3g}"
    if checked.remedy:
        detail += f"; {checked.remedy}"
    return SummaryFigure(
        name="images like training data",
        value=verdict,
        detail=detail,
        sample=f"{counted(checked.images, 'image')} of {checked.source}",
        section="accuracy",
        gates=("require-in-domain",),
    )


def _outputs_as_simulated(report: Report, name: str, gates: tuple[str, ...], parity: NotMeasured) -> SummaryFigure:
    """The outputs of a network without classes against the simulation's, where integers are not compared."""
    if report.task is None or not report.task.simulated:
        return _missing(name, "parity", gates, parity)
    farthest = min(report.task.simulated, key=lambda error: error.snr_db)
    return SummaryFigure(
        name=name,
        value=shown(farthest.snr_db, "dB"),
        detail=f"signal to noise against the simulated outputs, the lowest in {farthest.output}",
        section="parity",
        gates=gates,
    )


def _coverage(report: Report) -> SummaryFigure:
    name, gates, coverage = "integer layers", ("min-integer-coverage",), report.coverage
    if isinstance(coverage, NotMeasured):
        return _missing(name, "integers", gates, coverage)
    value, floating = integer_layers(coverage, lambda node: layer_name(report, node.op_type, node.name))
    sample = f"convolutions and matrix products in {coverage.runtime}"
    return SummaryFigure(name=name, value=value, detail=floating, sample=sample, section="integers", gates=gates)
