"""Parity compared with the baseline's: on how many CPUs it was lost."""

from __future__ import annotations

from gdfq_export.metrics.parity import ParityResult
from gdfq_export.report.baseline import Baseline, change_text, missing, other_machine
from gdfq_export.report.cpu_figures import CpuFigures
from gdfq_export.report.report import Report
from gdfq_export.report.verdict import Figure
from gdfq_export.runtimes.emulation import NATIVE
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import counted


def parity_change(report: Report, baseline: Baseline) -> Figure | NotMeasured:
    """The number of CPUs on which every integer was the expected one in the baseline, and no longer is.

    Expected is the simulated integer or, of a file without an exact simulation, this machine's. The CPUs are this
    machine's and those that `--cpu` named in the baseline. One that is not measured now decides nothing, unless
    another lost parity.
    """
    now, then = _by_cpu(report), _by_cpu(baseline)
    native = then[NATIVE]
    if isinstance(native, NotMeasured) and all(isinstance(each, NotMeasured) for each in then.values()):
        return missing("parity", native)
    kept, lost, missed = [], [], []
    for cpu, before in then.items():
        if isinstance(before, NotMeasured) or not before.exact:
            continue
        found = now.get(cpu, NotMeasured(reason=f"name it with --cpu {cpu}"))
        if isinstance(found, NotMeasured):
            missed.append(f"{cpu}: {found.reason}")
        elif found.exact:
            kept.append(cpu)
        else:
            lost.append(_lost(cpu, found) + (other_machine(report, baseline) if cpu == NATIVE else ""))
    if missed and not lost:
        return NotMeasured(reason=f"parity held in the baseline and was not measured now on {'; '.join(missed)}")
    on = "; ".join((*lost, f"parity holds on {', '.join(kept) or 'no CPU'} as in the baseline"))
    return Figure.exact(float(len(lost)), f"{change_text(len(lost))}: {on}")


def _by_cpu(report: Report | Baseline) -> dict[str, ParityResult | NotMeasured]:
    return {NATIVE: report.parity} | {each.cpu: _expected(each) for each in report.cpus}


def _expected(figures: CpuFigures) -> ParityResult | NotMeasured:
    native = figures.native
    if isinstance(figures.parity, NotMeasured) and not isinstance(native, NotMeasured):
        return native.integers
    return figures.parity


def _lost(cpu: str, found: ParityResult) -> str:
    first = "" if found.first_differing is None else f", first in {found.first_differing}"
    return f"on {cpu} {found.differing:,} of {counted(found.elements, 'integer')} differ now{first}"
