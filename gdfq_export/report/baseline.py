"""An earlier report as a baseline: the figures that a later report is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gdfq_export.errors import InputError
from gdfq_export.metrics.coverage import Coverage
from gdfq_export.metrics.latency import Latency
from gdfq_export.metrics.parity import ParityResult
from gdfq_export.metrics.resources import Resources
from gdfq_export.report.cpu_figures import CpuFigures
from gdfq_export.report.json_form import from_json, read_report_json
from gdfq_export.report.report import Files, Report
from gdfq_export.runtimes.environment.machine import Machine
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.tasks.classification.accuracy import Accuracy
from gdfq_export.tasks.classification.agreement import Agreement
from gdfq_export.tasks.figures import TaskFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The sections of a report that a later one is compared with."""

    files: Files
    machine: Machine
    accuracy: Accuracy | NotMeasured
    agreement: Agreement | NotMeasured
    coverage: Coverage | NotMeasured
    latency: Latency | NotMeasured
    resources: Resources | NotMeasured
    parity: ParityResult | NotMeasured
    cpus: tuple[CpuFigures, ...] = ()
    task: TaskFigures | None = None


def read_baseline(path: Path) -> Baseline:
    """Read a report of schema version 1 to 4.

    Raises:
        InputError: the file cannot be read, is not a report of a known version, or lacks a key; names file and key.
    """
    what = f"the baseline {path}"
    return baseline_from_json(read_report_json(path, what), what)


def baseline_from_json(body: Mapping[str, Any], what: str) -> Baseline:
    """The baseline in the JSON data of a report; `what` names its file in messages.

    Raises:
        InputError: a key is missing, has another type, or is a divisor that is not positive.
    """
    baseline = from_json(Baseline, body, what)
    if not isinstance(latency := baseline.latency, NotMeasured):
        divisors = {f"speedup.{key}": getattr(latency.speedup, key) for key in ("value", "low", "high")}
        divisors |= {f"{key}.p99_ms": getattr(latency, key).p99_ms for key in ("float_network", "quantized")}
        for key, value in divisors.items():
            if value <= 0:
                raise InputError(f"{what} has {value!r} as latency.{key}, which must be a number above 0")
    return baseline


def same_float(report: Report, baseline: Baseline) -> bool:
    """Whether both compare with the same float network."""
    return report.files.float_network.sha256 == baseline.files.float_network.sha256


def same_file(report: Report, baseline: Baseline) -> bool:
    """Whether both are of the same quantized file and float network."""
    return same_float(report, baseline) and report.files.quantized.sha256 == baseline.files.quantized.sha256


def other_machine(report: Report, baseline: Baseline) -> str:
    """That the baseline was measured on another CPU, as a clause for the end of a message; "" where it was not."""
    then, now = baseline.machine.cpu, report.machine.cpu
    return "" if then == now else f", measured on another machine ({then}; here {now})"


def change_text(worse: float) -> str:
    """Which way a figure changed that is `worse` by that much, as the middle of a sentence."""
    return " worse than the baseline" if worse > 0 else " against the baseline, no worse"


def missing(section: str, before: NotMeasured) -> NotMeasured:
    """The baseline has no such section, and why."""
    return NotMeasured(reason=f"the baseline has no {section} ({before.reason})")
