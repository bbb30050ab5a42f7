"""Write the requested views of a report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gdfq_export.errors import GateFailed
from gdfq_export.report.report import Report
from gdfq_export.report.verdict import Outcome
from gdfq_export.support.files import write_files
from gdfq_export.support.text import counted
from gdfq_export.views.html import render_page
from gdfq_export.views.junit import junit_xml
from gdfq_export.views.markdown import markdown as as_markdown


def require_passed(report: Report) -> None:
    """Check the gates.

    Raises:
        GateFailed: a gate did not pass (exit code 1); names each such gate with its figure and the cause.
    """
    if missed := Outcome(report.gates).not_passed:
        verdicts = "; ".join(f"{gate.name} {gate.verdict}: {gate.message}" for gate in missed)
        raise GateFailed(f"{len(missed)} of {counted(len(report.gates), 'gate')} did not pass: {verdicts}")


def write_views(
    report: Report,
    *,
    json_out: Path | None = None,
    html: Path | None = None,
    junit: Path | None = None,
    markdown: Path | None = None,
) -> None:
    """Write the views that have a path, all or none."""
    views: tuple[tuple[Path | None, Callable[[], str]], ...] = (
        (json_out, lambda: report.to_json()),
        (html, lambda: render_page(report)),
        (junit, lambda: junit_xml(report)),
        (markdown, lambda: as_markdown(report)),
    )
    write_files({path: view() for path, view in views if path is not None})
