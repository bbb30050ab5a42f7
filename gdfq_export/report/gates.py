"""Gates: limits on the figures of a report, by the names of their flags.

Each gate reads one figure and names the cause of a miss: the layer that adds the largest error, the layers executed in
float, the first tensor that differs. `verdict.py` compares a figure with its limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gdfq_export.errors import InputError, InternalError
from gdfq_export.gates import GATES, Gate
from gdfq_export.metrics.in_domain import NO_IMAGES
from gdfq_export.metrics.latency import Latency
from gdfq_export.metrics.parity import ParityResult
from gdfq_export.report.layer_names import layer_name
from gdfq_export.report.report import Report
from gdfq_export.report.verdict import Figure, GateResult, evaluate_gate
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import counted


def decide(report: Report, limits: Mapping[str, float | bool]) -> tuple[GateResult, ...]:
    """Compare a report with limits by gate name (`{"max-top1-drop-pp": 1.0}`), in the order of `GATES`.

    A limit of False sets no gate.

    Raises:
        InternalError: there is no gate of such a name.
    """
    if unknown := sorted(set(limits) - {gate.name for gate in GATES}):
        raise InternalError(f"there is no gate {unknown[0]}; there are {', '.join(gate.name for gate in GATES)}")
    chosen = [(gate, limits[gate.name]) for gate in GATES if limits.get(gate.name, False) is not False]
    return tuple(evaluate_gate(gate, _figure(gate, report), limit) for gate, limit in chosen)


def require_gates_of_task(limits: Mapping[str, float | bool], task: str, where: str) -> None:
    """Refuse gates on figures that a network of this task, called `where`, does not have.

    Raises:
        InputError: there is one.
    """
    for gate in GATES:
        if limits.get(gate.name, False) is not False and gate.tasks and task not in gate.tasks:
            possible = ", ".join(each.name for each in GATES if each.on_accuracy and task in (each.tasks or (task,)))
            raise InputError(
                f"{gate.name} is a gate of the task {' and '.join(gate.tasks)}, and {where} is a network of the task "
                f"{task}; gates on its outputs are {possible}, or name another task with --task"
            )


def _figure(gate: Gate, report: Report) -> Figure | NotMeasured:
    return _task_figure(gate, report) if gate.from_task else _FIGURES[gate.name](report)


def _task_figure(gate: Gate, report: Report) -> Figure | NotMeasured:
    """The figure of `report.task` that has the gate's name."""
    task = report.task
    figure = None if task is None else next((each for each in task.figures if each.name == gate.figure), None)
    if task is None and isinstance(report.agreement, NotMeasured):
        return report.agreement
    if task is None or figure is None:
        return NotMeasured(reason=f"no {gate.figure} was measured; name labelled images with --data")
    on = f" on {counted(task.images, 'image')} of {task.source}{f' ({figure.note})' if figure.note else ''}"
    return Figure(
        value=figure.value,
        low=figure.low,
        high=figure.high,
        sample=figure.sample,
        each=figure.each,
        on=on,
        blame=worst_layer(report),
    )


def _drop(top: str) -> Callable[[Report], Figure | NotMeasured]:
    def figure(report: Report) -> Figure | NotMeasured:
        accuracy = report.accuracy
        if isinstance(accuracy, NotMeasured):
            return accuracy
        scores = getattr(accuracy, top)
        if isinstance(scores, NotMeasured):
            return scores
        return Figure(
            value=scores.drop_pp,
            low=scores.drop_low_pp,
            high=scores.drop_high_pp,
            sample=accuracy.images,
            on=f" on {counted(accuracy.images, 'image')} of {accuracy.source}",
            blame=worst_layer(report),
        )

    return figure


def _agreement(report: Report) -> Figure | NotMeasured:
    """On the labelled images where there are any."""
    if not isinstance(report.accuracy, NotMeasured):
        share, source = report.accuracy.agreement, report.accuracy.source
    elif not isinstance(report.agreement, NotMeasured):
        share, source = report.agreement.top1, report.agreement.source
    else:
        return report.agreement
    on = f" of {counted(share.images, 'image')} of {source}"
    return Figure(
        value=share.value, low=share.low, high=share.high, sample=share.images, on=on, blame=worst_layer(report)
    )


def _layer_snr(report: Report) -> Figure | NotMeasured:
    if isinstance(report.layers, NotMeasured):
        return report.layers
    worst = min(report.layers.layers, key=lambda layer: layer.snr_db)
    on = f" at tensor {worst.tensor} of {layer_name(report, worst.op_type, worst.node)}"
    return Figure.exact(worst.snr_db, on, worst_layer(report))


def latency_ratio(latency: Latency) -> tuple[float, float, float]:
    """Median latency of the quantized file by float's, with its 95 % interval: value, low, high."""
    speedup = latency.speedup
    return 1 / speedup.value, 1 / speedup.high, 1 / speedup.low


def _latency_ratio(report: Report) -> Figure | NotMeasured:
    if isinstance(report.latency, NotMeasured):
        return report.latency
    value, low, high = latency_ratio(report.latency)
    rounds = report.latency.speedup.rounds
    on = f" of float's latency, batch {report.latency.batch}, {counted(rounds, 'interleaved round')}"
    return Figure(value=value, low=low, high=high, sample=rounds, each="round", on=on, blame=float_nodes(report))


def _p99(report: Report) -> Figure | NotMeasured:
    if isinstance(report.latency, NotMeasured):
        return report.latency
    timings = report.latency.quantized
    return Figure.exact(timings.p99_ms, f" over {counted(timings.runs, 'run')} of batch {report.latency.batch}")


def _size_ratio(report: Report) -> Figure | NotMeasured:
    files = report.files
    on = f" of float: {files.quantized.bytes:,} of {files.float_network.bytes:,} bytes"
    return Figure.exact(files.size_ratio, on)


def _coverage(report: Report) -> Figure | NotMeasured:
    if isinstance(report.coverage, NotMeasured):
        return report.coverage
    coverage = report.coverage
    total = coverage.integer_compute + len(coverage.float_compute)
    layers = counted(total, "layer runs", "layers run")
    on = f": {coverage.integer_compute} of {layers} on integers in {coverage.runtime}"
    return Figure.exact(coverage.ratio, on, float_nodes(report))


def _parity(report: Report) -> Figure | NotMeasured:
    """Of this machine's CPU, or of those that were named."""
    if not report.cpus:
        return _parity_of(report.parity)
    figures = {each.cpu: _parity_of(each.parity) for each in report.cpus}
    missing = {cpu: figure for cpu, figure in figures.items() if isinstance(figure, NotMeasured)}
    measured = {cpu: figure for cpu, figure in figures.items() if not isinstance(figure, NotMeasured)}
    if missing and all(figure.value for figure in measured.values()):
        return NotMeasured(reason="; ".join(f"{cpu}: {figure.reason}" for cpu, figure in missing.items()))
    wrong = [f"{cpu}{figure.on}{figure.blame}" for cpu, figure in measured.items() if not figure.value]
    right = [f"{cpu}{figure.on}" for cpu, figure in measured.items() if figure.value]
    return Figure.exact(float(not wrong), f": {'; '.join((*wrong, *right))}")


def _parity_of(parity: ParityResult | NotMeasured) -> Figure | NotMeasured:
    if isinstance(parity, NotMeasured):
        return parity
    images = counted(parity.images, "image")
    on = f": {parity.differing:,} of {counted(parity.elements, 'integer')} differ from the simulation on {images}"
    return Figure.exact(
        float(parity.exact), on, "" if parity.first_differing is None else f", first in {parity.first_differing}"
    )


def _in_domain(report: Report) -> Figure | NotMeasured:
    """Of every set of real images that could be compared."""
    if not report.in_domain:
        return NO_IMAGES
    wrong = [checked.message for checked in report.in_domain if not checked.in_domain]
    right = "; ".join(
        f"{counted(checked.images, 'image')} of {checked.source}, distance {checked.distance:.3g}"
        for checked in report.in_domain
    )
    return Figure.exact(float(not wrong), f": {'; '.join(wrong) or right}")


def _rules(report: Report) -> Figure | NotMeasured:
    if isinstance(report.findings, NotMeasured):
        return report.findings
    broken = [finding for finding in report.findings if finding.consequence in _SERIOUS]
    nodes = len({finding.node for finding in broken})
    breaks = "breaks a rule" if len(broken) == 1 else "breaks rules" if nodes == 1 else "break rules"
    on = f": {counted(nodes, 'node')} {breaks} of the runtime" if broken else ": no node breaks a rule of the runtime"
    blame = "" if not broken else f"{', first' if len(broken) > 1 else ':'} {broken[0].message}"
    return Figure.exact(float(not broken), on, blame)


_SERIOUS = frozenset({"refused", "wrong numbers", "computed as written, probably a mistake"})


def worst_layer(report: Report) -> str:
    """Which layer adds the largest error, as a clause for the end of a message; "" where none stands out."""
    layer = None if isinstance(report.layers, NotMeasured) else report.layers.worst_layer
    if layer is None:
        return ""
    name = layer_name(report, layer.op_type, layer.node)
    before = "" if layer.input_snr_db is None else f"from {layer.input_snr_db:.1f} "
    why = f": {layer.cause}" if layer.cause else ""
    return f"; the largest error is added by {name}, where the SNR falls {before}to {layer.snr_db:.1f} dB{why}"


def float_nodes(report: Report) -> str:
    """Which layers the runtime executes in float, as a clause for the end of a message; "" where none is."""
    if isinstance(report.coverage, NotMeasured) or not report.coverage.float_compute:
        return ""
    named = [layer_name(report, node.op_type, node.name) for node in report.coverage.float_compute]
    rest = f" and {len(named) - 5} more" if len(named) > 5 else ""
    return f"; in float: {', '.join(named[:5])}{rest}"


_FIGURES: Mapping[str, Callable[[Report], Figure | NotMeasured]] = {
    "require-rules": _rules,
    "require-parity": _parity,
    "require-in-domain": _in_domain,
    "max-top1-drop-pp": _drop("top1"),
    "max-top5-drop-pp": _drop("top5"),
    "min-agreement": _agreement,
    "min-layer-snr-db": _layer_snr,
    "min-integer-coverage": _coverage,
    "max-latency-ratio": _latency_ratio,
    "max-p99-ms": _p99,
    "max-size-ratio": _size_ratio,
}
