"""The figures that decide, as rows of a table: verdict, accuracy, speed, size, parity, integer coverage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdfq_export.report.layer_names import layer_name
from gdfq_export.runtimes import runtime_title
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import counted

if TYPE_CHECKING:
    from gdfq_export.report.report import Report
    from gdfq_export.support.proportion import Proportion

__all__ = ["Row", "not_measured_row", "percent", "percent_interval", "summary_rows"]

Row = tuple[str, str, str]
"""A figure's name, its value with unit, and its sample."""


def summary_rows(report: Report) -> list[Row]:
    """At most nine rows; a figure that was not measured is a row with its reason."""
    sections = (_verdict, _accuracy, _agreement, _speed, _size, _parity, _coverage, _worst_layer)
    return [row for section in sections for row in section(report)]


def percent(proportion: Proportion) -> str:
    """`99.44 %`."""
    return f"{100 * proportion.value:.2f} %"


def percent_interval(proportion: Proportion) -> str:
    """`[98.70, 99.76] at 95 %`."""
    return f"[{100 * proportion.low:.2f}, {100 * proportion.high:.2f}] at 95 %"


def not_measured_row(what: str, section: NotMeasured) -> Row:
    """The row of a figure that was not measured."""
    return what, "not measured", section.reason


def _verdict(report: Report) -> Iterator[Row]:
    outcome = report.outcome
    missed = "; ".join(f"{gate.name} {gate.verdict}" for gate in outcome.not_passed)
    verdict = "NO GATES" if outcome.verdict is None else outcome.verdict.upper()
    yield "verdict", verdict, f"{outcome.counts}{f': {missed}' if missed else ''}"


def _accuracy(report: Report) -> Iterator[Row]:
    accuracy = report.accuracy
    if isinstance(accuracy, NotMeasured):
        return
    top1 = accuracy.top1
    drop = f"drop {top1.drop_pp:+.2f} pp [{top1.drop_low_pp:+.2f}, {top1.drop_high_pp:+.2f}] at 95 %"
    on = f"{counted(accuracy.images, 'image')} of {accuracy.source}"
    yield "top-1 accuracy", percent(top1.quantized), f"float {percent(top1.float_network)}, {drop}; {on}"


def _agreement(report: Report) -> Iterator[Row]:
    name = "top-1 agreement with float"
    if not isinstance(report.accuracy, NotMeasured):
        same, source = report.accuracy.agreement, report.accuracy.source
    elif not isinstance(report.agreement, NotMeasured):
        same, source = report.agreement.top1, report.agreement.source
    else:
        yield not_measured_row("top-1 accuracy", report.accuracy)
        yield not_measured_row(name, report.agreement)
        return
    yield name, percent(same), f"{percent_interval(same)}; {counted(same.images, 'image')} of {source}"


def _speed(report: Report) -> Iterator[Row]:
    latency = report.latency
    if isinstance(latency, NotMeasured):
        yield not_measured_row("speed", latency)
        return
    ratio, floating, quantized = latency.speedup, latency.float_network, latency.quantized
    runtime = "" if report.runtime is None else f" in {runtime_title(report.runtime.measured_in)}"
    times = f"{quantized.p50_ms:.3f} ms, float {floating.p50_ms:.3f} ms"
    setting = f"batch {latency.batch}, {counted(latency.threads, 'thread')}{runtime}"
    yield "speed", f"{ratio.value:.2f} x float", f"[{ratio.low:.2f}, {ratio.high:.2f}] at 95 %; {times}; {setting}"


def _size(report: Report) -> Iterator[Row]:
    files = report.files
    size = f"{files.quantized.bytes:,} bytes, float {files.float_network.bytes:,} bytes"
    yield "file size", f"{files.size_ratio:.3f} x float", size


def _parity(report: Report) -> Iterator[Row]:
    parity, simulation = report.parity, report.simulation
    if isinstance(parity, NotMeasured) and not isinstance(simulation, NotMeasured):
        on = f"of predicted classes are as simulated; {counted(simulation.images, 'image')} of {simulation.source}"
        yield "parity with the simulation", percent(simulation.top1), on
    elif isinstance(parity, NotMeasured):
        yield not_measured_row("parity with the simulation", parity)
    else:
        where = f"{counted(len(parity.tensors), 'tensor')}, {counted(parity.images, 'image')} of {parity.source}"
        on = f"{parity.differing:,} of {counted(parity.elements, 'value')} differ in {where}"
        yield "parity with the simulation", "exact" if parity.exact else "not exact", on


def _coverage(report: Report) -> Iterator[Row]:
    coverage = report.coverage
    if isinstance(coverage, NotMeasured):
        yield not_measured_row("integer layers", coverage)
        return
    named = [layer_name(report, node.op_type, node.name) for node in coverage.float_compute]
    rest = ", ..." if len(named) > 5 else ""
    total = coverage.integer_compute + len(named)
    floating = f"{', '.join(named[:5])}{rest}" if named else "none"
    yield "integer layers", f"{coverage.integer_compute} of {total}", f"in {coverage.runtime}; float: {floating}"


def _worst_layer(report: Report) -> Iterator[Row]:
    layer = None if isinstance(report.layers, NotMeasured) else report.layers.worst_layer
    if layer is not None:
        reason = layer.cause or f"the SNR falls to {layer.snr_db:.1f} dB"
        yield "largest error added by", layer_name(report, layer.op_type, layer.node), reason
