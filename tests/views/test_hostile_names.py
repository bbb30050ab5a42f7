"""Names of a stranger's tensors and files steer no page and no terminal, and hide nothing."""

from __future__ import annotations

import dataclasses
import unicodedata

import pytest

from gdfq_export.cli.output.progress_display import print_warnings
from gdfq_export.cli.output.report_tables import print_report
from gdfq_export.report.report import Report
from gdfq_export.views.html import render_page
from gdfq_export.views.junit import junit_xml
from gdfq_export.views.markdown import markdown
from tests.report.reports import make_report

NAME = "conv\x1b[2J\x1b]0;own\x07\u202egnp\x00\x9b|<b>`x`\u2066\u200b\udcff\n.onnx"
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.fixture(scope="module")
def report() -> Report:
    made = make_report(labelled=True)
    file = dataclasses.replace(made.files.quantized, name=NAME)
    return dataclasses.replace(
        made, source=NAME, files=dataclasses.replace(made.files, quantized=file, float_network=file), warnings=(NAME,)
    )


def unseen(text: str) -> set[str]:
    return {each for each in text if unicodedata.category(each) in UNSEEN and each not in "\n\t"}


def test_no_view_holds_them(report: Report) -> None:
    assert not unseen(render_page(report))
    assert unseen(markdown(report)) <= {"\u200b"}  # our own, which keeps a name from mentioning a person
    assert not unseen(junit_xml(report))
    assert "202e" in render_page(report) and "202e" in markdown(report) and "202e" in junit_xml(report)
    render_page(report).encode()


def test_the_terminal_gets_one_line_of_what_can_be_read(report: Report, capsys: pytest.CaptureFixture[str]) -> None:
    print_warnings([NAME])
    print_report(report, details=True)
    printed = capsys.readouterr()
    assert not unseen(printed.out) and not unseen(printed.err)
    assert printed.err.count("\n") == 1 and "\\x1b[2J" in printed.err
