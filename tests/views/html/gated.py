"""Reports with gates, for the page: the tiny classifier's figures held against limits of every outcome."""

from __future__ import annotations

import dataclasses

from gdfq_export.report.gates import decide
from gdfq_export.report.report import Report
from gdfq_export.report.verdict import GateResult, Verdict
from tests.report.reports import make_report

PASSED, FAILED, INCONCLUSIVE = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE


def gate(name: str = "max-top1-drop-pp", verdict: Verdict = PASSED, **changes) -> GateResult:
    figures = {"limit": 1.0, "unit": "pp", "value": 0.4, "low": -0.2, "high": 0.9, "message": f"{name} is as it is"}
    return GateResult(name=name, verdict=verdict, **{**figures, **changes})


def with_gates(*gates: GateResult) -> Report:
    return dataclasses.replace(make_report(labelled=True), gates=gates)


def decided(**limits: float | bool) -> Report:
    report = make_report(labelled=True)
    by_name = {name.replace("_", "-"): limit for name, limit in limits.items()}
    return dataclasses.replace(report, gates=decide(report, by_name))
