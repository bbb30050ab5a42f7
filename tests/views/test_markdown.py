"""The report for a pull request, read by a parser of Markdown: verdict, tables, and no text that marks up."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html
from markdown_it import MarkdownIt

from gdfq_export.report.gates import decide
from gdfq_export.report.report import Report
from gdfq_export.report.summary_table import summary_rows
from gdfq_export.report.verdict import GateResult, Verdict
from gdfq_export.views.details import detail_rows
from gdfq_export.views.markdown import markdown
from tests.report.reports import bare_report, make_report
from tests.report.test_gates import bad

PARSER = MarkdownIt("commonmark").enable("table")


def read(report: Report) -> html.HtmlElement:
    return html.document_fromstring(PARSER.render(markdown(report)))


def tables(page: html.HtmlElement) -> list[list[list[str]]]:
    return [[[cell.text_content() for cell in row] for row in table.iter("tr")] for table in page.iter("table")]


def gate(verdict: Verdict, message: str = "found", name: str = "max-p99-ms") -> GateResult:
    return GateResult(name=name, limit=2.0, unit="ms", value=3.0, low=2.5, high=3.5, verdict=verdict, message=message)


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ([], "q.onnx: no gates were set"),
        (["passed"], "✅ q.onnx: the gate passed"),
        (["passed", "passed"], "✅ q.onnx: all 2 gates passed"),
        (["passed", "failed"], "❌ q.onnx: 1 of 2 gates failed"),
        (["inconclusive", "failed"], "❌ q.onnx: 1 of 2 gates failed, 1 inconclusive"),
        (["inconclusive"], "⚠️ q.onnx: 1 of 1 gate inconclusive"),
    ],
    ids=["none", "one", "all", "failed", "both", "undecided"],
)
def test_the_verdict_comes_first_in_words(verdicts: list[str], said: str) -> None:
    report = dataclasses.replace(make_report(labelled=True), gates=tuple(gate(Verdict(each)) for each in verdicts))
    first = next(iter(read(report).body))
    assert (first.tag, first.text_content()) == ("h3", said)


def test_gates_figures_and_facts_are_tables() -> None:
    report = make_report(labelled=True)
    limits = {"require-parity": True, "max-top1-drop-pp": 1.0, "max-size-ratio": 0.2}
    report = dataclasses.replace(report, gates=decide(report, limits))
    gates, summary, figures, facts = tables(read(report))
    assert gates == [
        ["gate", "limit", "measured", "verdict"],
        ["require-parity", "required", "yes", "✅ passed"],
        ["max-top1-drop-pp", "1.0 pp", "0 pp (-8.909 to 8.909)", "⚠️ inconclusive"],
        ["max-size-ratio", "0.2", "0.25", "❌ failed"],
    ]
    assert summary[1:] == [[*row] for row in summary_rows(report)[1:]]
    assert figures[1:] == [[*row] for row in detail_rows(report)]
    assert ["file q.onnx", "SHA-256 cd"] in facts
    assert ["machine", "cpu, 2 cores, Linux (avx2)"] in facts


def test_what_did_not_pass_is_said_in_full_and_what_passed_is_not() -> None:
    report = bad()
    report = dataclasses.replace(report, gates=decide(report, {"require-parity": True, "max-size-ratio": 0.5}))
    said = [item.text_content() for item in read(report).iter("li")]
    assert said[0] == f"require-parity: {report.gates[0].message}"
    assert said[1:] == [f"⚠️ {warning}" for warning in report.warnings]


def test_the_worst_layer_stands_there_with_its_cause() -> None:
    text = [each.text_content() for each in read(bad()).iter("p")]
    assert text[0] == (
        "The largest error is added by Conv Conv_conv, where the SNR falls from 40.0 to 3.0 dB: a scale is off."
    )
    assert text[1] == "In float: Gemm fc."


def test_machine_and_hashes_are_folded() -> None:
    text = markdown(make_report(labelled=True))
    before, _, folded = text.partition("<details><summary>Machine")
    assert "SHA-256" not in before and folded.endswith("</details>\n")
    assert folded.count("SHA-256") == 3


def test_a_report_of_nothing_says_why() -> None:
    figures = tables(read(bare_report()))[0]
    assert ["top-1 accuracy", "not measured", "because"] in figures


HOSTILE = st.text(st.sampled_from("|`*_[]()<>&#~$\\!-+ \n\r\tax0@'\"") | st.characters(codec="utf-8"), max_size=40)


@given(HOSTILE)
def test_no_text_marks_up_or_breaks_a_table(text: str) -> None:
    report = dataclasses.replace(
        bare_report(), gates=(gate(Verdict.FAILED, message=text, name=f"g {text} g"),), warnings=(f"w {text} w",)
    )
    page = read(report)
    gates, figures, *_ = tables(page)
    assert [len(row) for row in gates] == [4, 4] and {len(row) for row in figures} == {3}
    assert not {*page.xpath("//*")} & {*page.xpath("//a | //code | //em | //del | //img | //li//h1 | //ul//ul")}
    assert len(page.xpath("//li")) == 2 and len(page.xpath("//details")) == 2
    assert len(page.xpath("//strong")) == 1
    if text.isprintable() and "@" not in text:
        assert gates[1][0] == " ".join(f"g {text} g".split())
