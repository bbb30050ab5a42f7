"""The summary as cards: a figure, its interval, its sample and source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gdfq_export.report.layer_names import layer_name
from gdfq_export.report.report import Report
from gdfq_export.runtimes import runtime_title
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.views.html.gate_rows import tone_of
from gdfq_export.views.html.numerals import count, kilobytes, percent, points, significant

__all__ = ["Card", "cards"]

NOT_MEASURED = "not measured"
_SPEED_GATES = ("max-latency-ratio", "max-p99-ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """`value` with `detail` under it and `sample` under that; `tone` is the verdict of its gate, "" without one.

    `detail` is the reason where a figure was not measured. `section` is the id of the section with the details.
    """

    title: str
    value: str
    detail: str
    sample: str
    section: str
    tone: str = ""
    measured: bool = True


def cards(report: Report) -> tuple[Card, ...]:
    """All six cards."""
    return tuple(make(report) for make in _CARDS)


def _drop(report: Report) -> Card:
    title, accuracy = "Top-1 drop", report.accuracy
    if isinstance(accuracy, NotMeasured):
        return _missing(title, accuracy, "accuracy", tone_of(report, "max-top1-drop-pp"))
    scores = accuracy.top1
    return Card(
        title=title,
        value=points(scores.drop_pp),
        detail=f"between {points(scores.drop_low_pp)} and {points(scores.drop_high_pp)}; "
        f"float {percent(scores.float_network.value)}, quantized {percent(scores.quantized.value)}",
        sample=f"{count(accuracy.images, 'image')} of {accuracy.source}",
        section="accuracy",
        tone=tone_of(report, "max-top1-drop-pp"),
    )


def _agreement(report: Report) -> Card:
    title = "Agreement with float"
    if not isinstance(report.accuracy, NotMeasured):
        same, source = report.accuracy.agreement, report.accuracy.source
    elif not isinstance(report.agreement, NotMeasured):
        same, source = report.agreement.top1, report.agreement.source
    else:
        return _missing(title, report.agreement, "accuracy", tone_of(report, "min-agreement"))
    return Card(
        title=title,
        value=percent(same.value),
        detail=f"between {percent(same.low)} and {percent(same.high)}",
        sample=f"{count(same.images, 'image')} of {source}",
        section="accuracy",
        tone=tone_of(report, "min-agreement"),
    )


def _size(report: Report) -> Card:
    files = report.files
    return Card(
        title="File size",
        value=f"{significant(files.size_ratio)} x float",
        detail=f"{kilobytes(files.float_network.bytes)} to {kilobytes(files.quantized.bytes)}",
        sample=f"{files.float_network.bytes:,} and {count(files.quantized.bytes, 'byte')}",
        section="run",
        tone=tone_of(report, "max-size-ratio"),
    )


def _speed(report: Report) -> Card:
    title, latency = "Speed", report.latency
    if isinstance(latency, NotMeasured):
        return _missing(title, latency, "latency", tone_of(report, *_SPEED_GATES))
    ratio = latency.speedup
    runtime = "" if report.runtime is None else f" in {runtime_title(report.runtime.measured_in)}"
    return Card(
        title=title,
        value=f"{significant(ratio.value)} x float",
        detail=f"between {significant(ratio.low)} and {significant(ratio.high)}; median "
        f"{significant(latency.quantized.p50_ms)} ms",
        sample=f"{count(ratio.rounds, 'interleaved round')}{runtime}, batch {latency.batch}, "
        f"{count(latency.threads, 'thread')}",
        section="latency",
        tone=tone_of(report, *_SPEED_GATES),
    )


def _integers(report: Report) -> Card:
    title, coverage = "Integer layers", report.coverage
    if isinstance(coverage, NotMeasured):
        return _missing(title, coverage, "integers", tone_of(report, "min-integer-coverage"))
    total = coverage.integer_compute + len(coverage.float_compute)
    left = ", ".join(layer_name(report, node.op_type, node.name) for node in coverage.float_compute[:2])
    more = len(coverage.float_compute) - 2
    rest = f" and {more} more" if more > 0 else ""
    return Card(
        title=title,
        value=f"{coverage.integer_compute} of {total}",
        detail=f"in float: {left}{rest}" if left else "convolutions and matrix products; none in float",
        sample=f"optimised graph of {coverage.runtime}",
        section="integers",
        tone=tone_of(report, "min-integer-coverage"),
    )


def _parity(report: Report) -> Card:
    title, parity, simulation = "Parity with the simulation", report.parity, report.simulation
    tone = tone_of(report, "require-parity")
    if not isinstance(parity, NotMeasured):
        return Card(
            title=title,
            value="bit-exact" if parity.exact else "not exact",
            detail=f"{parity.differing:,} of {count(parity.elements, 'integer')} differ"
            + (f", first in {parity.first_differing}" if parity.first_differing else ""),
            sample=f"{count(parity.images, 'image')} of {parity.source}",
            section="parity",
            tone=tone,
        )
    if isinstance(simulation, NotMeasured):
        return _missing(title, parity, "parity", tone)
    return Card(
        title=title,
        value=percent(simulation.top1.value),
        detail=f"of predicted classes, between {percent(simulation.top1.low)} and {percent(simulation.top1.high)}",
        sample=f"{count(simulation.images, 'image')} of {simulation.source}",
        section="parity",
        tone=tone,
    )


def _missing(title: str, section: NotMeasured, anchor: str, tone: str) -> Card:
    return Card(
        title=title, value=NOT_MEASURED, detail=section.reason, sample="", section=anchor, tone=tone, measured=False
    )


_CARDS: tuple[Callable[[Report], Card], ...] = (_drop, _agreement, _speed, _size, _parity, _integers)
