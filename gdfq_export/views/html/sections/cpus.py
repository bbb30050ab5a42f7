"""The file on other CPUs, a row each."""

from __future__ import annotations

from dataclasses import dataclass

from gdfq_export.metrics.parity import ParityResult
from gdfq_export.report.cpu_figures import CpuFigures
from gdfq_export.report.cpu_text import cpu_layers, cpu_outputs
from gdfq_export.report.report import Report
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.views.html.numerals import count, milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuRow:
    """One CPU; `verdict` is `exact`, `not exact` or `not measured`."""

    name: str
    description: str
    verdict: str
    differing: str
    beside_float: str
    beside_native: str
    layers: str
    time: str


def cpu_rows(report: Report) -> tuple[CpuRow, ...]:
    """One for each CPU that was named."""
    return tuple(map(_row, report.cpus))


def _row(figures: CpuFigures) -> CpuRow:
    beside_float, beside_native = cpu_outputs(figures)
    verdict, differing = _parity(figures.parity)
    latency = figures.latency
    return CpuRow(
        name=figures.cpu,
        description=figures.description,
        verdict=verdict,
        differing=differing,
        beside_float=beside_float,
        beside_native=beside_native,
        layers=cpu_layers(figures),
        time=f"not measured: {latency.reason}"
        if isinstance(latency, NotMeasured)
        else milliseconds(latency.quantized.p50_ms),
    )


def _parity(parity: ParityResult | NotMeasured) -> tuple[str, str]:
    """The verdict, and how many values differ or why they were not compared."""
    if isinstance(parity, NotMeasured):
        return "not measured", parity.reason
    first = "" if parity.first_differing is None else f", first in {parity.first_differing}"
    of = f"{count(parity.elements, 'value')} on {count(parity.images, 'image')}"
    return "exact" if parity.exact else "not exact", f"{parity.differing:,} of {of}{first}"
