"""Gates: limits on the figures of a report, by the names of their flags.

How a figure is held against its limit is in `verdict.py`; here is what each gate looks at, and what it names where the
limit is missed: the layer that the error enters by, the nodes left in float, the first tensor to differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gdfq_export.errors import InternalError
from gdfq_export.gates import GATES
from gdfq_export.report.report import Report
from gdfq_export.report.verdict import Figure, GateResult, Verdict, hold
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import counted

__all__ = ["GATES", "GateResult", "Verdict", "decide", "float_nodes", "worst_layer"]


def decide(report: Report, limits: Mapping[str, float | bool]) -> tuple[GateResult, ...]:
    """Hold a report against limits by gate name (`max-top1-drop-pp: 1.0`), in the order of `GATES`.

    A limit of False asks for nothing.

    Raises:
        InternalError: there is no gate of such a name; a limit is never passed over.
    """
    if strangers := sorted(set(limits) - {gate.name for gate in GATES}):
        raise InternalError(f"there is no gate {strangers[0]}; there are {', '.join(gate.name for gate in GATES)}")
    results = []
    for gate in GATES:
        limit = limits.get(gate.name)
        if limit is not None and limit is not False:
            results.append(hold(gate.name, gate.unit, _FIGURES[gate.name](report), limit, most=gate.most))
    return tuple(results)


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
    exact = worst.snr_db
    on = f" in {worst.tensor}, computed by {worst.op_type or 'the input'} {worst.node}".rstrip()
    return Figure(value=exact, low=exact, high=exact, on=on, blame=worst_layer(report))


def _latency_ratio(report: Report) -> Figure | NotMeasured:
    if isinstance(report.latency, NotMeasured):
        return report.latency
    speedup = report.latency.speedup
    on = f" of float's time, batch {report.latency.batch}, {counted(speedup.rounds, 'interleaved round')}"
    low, high = 1 / speedup.high, 1 / speedup.low
    return Figure(
        value=1 / speedup.value,
        low=low,
        high=high,
        sample=speedup.rounds,
        each="round",
        on=on,
        blame=float_nodes(report),
    )


def _p99(report: Report) -> Figure | NotMeasured:
    if isinstance(report.latency, NotMeasured):
        return report.latency
    value = report.latency.quantized.p99_ms
    on = f" over {counted(report.latency.quantized.runs, 'run')} of batch {report.latency.batch}"
    return Figure(value=value, low=value, high=value, on=on)


def _size_ratio(report: Report) -> Figure | NotMeasured:
    files, value = report.files, report.files.size_ratio
    on = f" of float: {files.quantized.bytes:,} of {files.float_network.bytes:,} bytes"
    return Figure(value=value, low=value, high=value, on=on)


def _coverage(report: Report) -> Figure | NotMeasured:
    if isinstance(report.coverage, NotMeasured):
        return report.coverage
    coverage = report.coverage
    total = coverage.integer_compute + len(coverage.float_compute)
    layers = counted(total, "layer runs", "layers run")
    on = f": {coverage.integer_compute} of {layers} on integers in {coverage.runtime}"
    return Figure(value=coverage.ratio, low=coverage.ratio, high=coverage.ratio, on=on, blame=float_nodes(report))


def _parity(report: Report) -> Figure | NotMeasured:
    if isinstance(report.parity, NotMeasured):
        return report.parity
    parity = report.parity
    where = f"on {counted(parity.images, 'image')}"
    on = f": {parity.differing:,} of {counted(parity.elements, 'integer')} differ from the simulation {where}"
    blame = "" if parity.first_differing is None else f", first in {parity.first_differing}"
    value = float(parity.exact)
    return Figure(value=value, low=value, high=value, on=on, blame=blame)


def _rules(report: Report) -> Figure | NotMeasured:
    if isinstance(report.findings, NotMeasured):
        return report.findings
    broken = [finding for finding in report.findings if finding.consequence in _SERIOUS]
    value = float(not broken)
    nodes = len({finding.node for finding in broken})
    breaks = "breaks a rule" if len(broken) == 1 else "breaks rules" if nodes == 1 else "break rules"
    on = f": {counted(nodes, 'node')} {breaks} of the runtime" if broken else ": no node breaks a rule of the runtime"
    blame = "" if not broken else f"{', first' if len(broken) > 1 else ':'} {broken[0].message}"
    return Figure(value=value, low=value, high=value, on=on, blame=blame)


_SERIOUS = frozenset({"refused", "wrong numbers", "computed as written, probably a mistake"})


def worst_layer(report: Report) -> str:
    """Which layer most error enters by, where there is one to name."""
    layer = None if isinstance(report.layers, NotMeasured) else report.layers.worst_layer
    if layer is None:
        return ""
    by = f"{layer.op_type} {layer.node}" if layer.op_type else "the input"
    before = "" if layer.inputs_snr_db is None else f" from {layer.inputs_snr_db:.1f}"
    why = f": {layer.cause}" if layer.cause else ""
    return f"; most error enters by {by}, whose tensor {layer.tensor} falls{before} to {layer.snr_db:.1f} dB{why}"


def float_nodes(report: Report) -> str:
    """Which layers the runtime computes in float, where it does."""
    if isinstance(report.coverage, NotMeasured) or not report.coverage.float_compute:
        return ""
    named = [f"{node.op_type} {node.name}" for node in report.coverage.float_compute]
    rest = f" and {len(named) - 5} more" if len(named) > 5 else ""
    return f"; in float: {', '.join(named[:5])}{rest}"


_FIGURES: Mapping[str, Callable[[Report], Figure | NotMeasured]] = {
    "require-rules": _rules,
    "require-parity": _parity,
    "max-top1-drop-pp": _drop("top1"),
    "max-top5-drop-pp": _drop("top5"),
    "min-agreement": _agreement,
    "min-layer-snr-db": _layer_snr,
    "min-integer-coverage": _coverage,
    "max-latency-ratio": _latency_ratio,
    "max-p99-ms": _p99,
    "max-size-ratio": _size_ratio,
}
