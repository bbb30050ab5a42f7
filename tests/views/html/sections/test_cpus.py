from __future__ import annotations

import dataclasses

from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.views.html import render_page
from gdfq_export.views.html.sections.cpus import cpu_rows
from tests.report.reports import cpu_figures, make_report
from tests.views.html.page_parser import Page


def test_a_row_for_each_cpu() -> None:
    report = make_report(labelled=False)
    native = dataclasses.replace(cpu_figures("native"), emulated=False, latency=report.latency)
    unknown = cpu_figures("haswell", NotMeasured(reason="no simulation"))
    report = dataclasses.replace(report, cpus=(cpu_figures("cortex-a53"), native, unknown))
    arm, here, old = cpu_rows(report)
    assert (arm.name, arm.verdict, arm.time) == ("cortex-a53", "exact", "not measured: emulated")
    assert arm.differing.replace("\u00a0", " ") == "0 of 640 values on 20 images"
    assert here.time.endswith("ms")
    assert (old.verdict, old.differing) == ("not measured", "no simulation")
    assert all(row.name in Page(render_page(report)).by_id("parity").text for row in (arm, here, old))


def test_no_table_where_none_was_named() -> None:
    assert "By CPU" not in render_page(make_report(labelled=False))
