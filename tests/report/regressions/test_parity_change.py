"""Parity on a CPU that held in the baseline."""

from __future__ import annotations

import dataclasses

import pytest

from gdfq_export.metrics.parity import ParityResult
from gdfq_export.report.cpu_figures import CpuFigures, NativeComparison
from gdfq_export.report.report import Report
from gdfq_export.report.verdict import Verdict
from gdfq_export.support.not_measured import NotMeasured
from tests.report.regressions.test_table import make, worse
from tests.report.reports import cpu_figures

UNKNOWN = NotMeasured(reason="this file has no exact simulation to compare with")


def lost() -> ParityResult:
    parity = make().parity
    assert isinstance(parity, ParityResult)
    return dataclasses.replace(parity, exact=False, differing=1382, elements=11_559_552, first_differing="conv1")


def on(**parity: ParityResult | NotMeasured | None) -> Report:
    """A report of CPUs by name; None: parity holds."""
    return make(cpus=tuple(cpu_figures(name.replace("_", "-"), found) for name, found in parity.items()))


def without_simulation(integers: ParityResult | NotMeasured) -> CpuFigures:
    """A file that is compared with this machine in place of a simulation."""
    figures = cpu_figures("cortex-a53", UNKNOWN)
    assert isinstance(figures.native, NativeComparison)
    return dataclasses.replace(figures, native=dataclasses.replace(figures.native, integers=integers))


def test_parity_that_a_cpu_lost_fails() -> None:
    result = worse(on(cortex_a53=lost(), haswell=None), on(cortex_a53=None, haswell=None), "parity", 0)
    assert (result.verdict, result.value) == (Verdict.FAILED, 1)
    assert result.message == (
        "1 worse than the baseline: on cortex-a53 1,382 of 11,559,552 integers differ now, first in conv1; "
        "parity holds on native, haswell as in the baseline; the limit is at most 0"
    )


def test_as_many_cpus_as_allowed_may_lose_parity() -> None:
    now, then = on(cortex_a53=lost(), haswell=lost()), on(cortex_a53=None, haswell=None)
    assert [worse(now, then, "parity", allowed).passed for allowed in (1, 2)] == [False, True]


def test_parity_that_did_not_hold_before_is_not_lost() -> None:
    result = worse(on(haswell=lost()), on(haswell=lost()), "parity", 0)
    assert result.passed
    assert "no worse: parity holds on native as in the baseline" in result.message


def test_this_machine_is_one_of_the_cpus() -> None:
    then = make()
    now = make(parity=lost(), machine=dataclasses.replace(then.machine, cpu="another"))
    result = worse(now, then, "parity", 0)
    assert result.verdict is Verdict.FAILED
    assert "on native 1,382 of" in result.message
    assert "first in conv1, measured on another machine (cpu; here another)" in result.message


def test_a_cpu_that_is_not_measured_now_decides_nothing() -> None:
    then = on(cortex_a53=None, haswell=None)
    result = worse(on(haswell=None), then, "parity", 0)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "was not measured now on cortex-a53: name it with --cpu cortex-a53" in result.message
    assert worse(on(haswell=lost()), then, "parity", 0).verdict is Verdict.FAILED


@pytest.mark.parametrize("missing", [True, False])
def test_a_file_without_a_simulation_is_compared_with_this_machine(missing: bool) -> None:
    equal = make().parity
    then = make(parity=UNKNOWN, cpus=(without_simulation(equal),))
    now = make(parity=UNKNOWN, cpus=(without_simulation(UNKNOWN if missing else lost()),))
    assert worse(then, then, "parity", 0).passed
    assert worse(now, then, "parity", 0).verdict is (Verdict.INCONCLUSIVE if missing else Verdict.FAILED)


def test_a_baseline_without_parity_says_so() -> None:
    result = worse(make(), make(parity=UNKNOWN), "parity", 0)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "the baseline has no parity (this file has no exact simulation" in result.message
