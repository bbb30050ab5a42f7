"""JUnit XML: valid by schema, the same to a second reader, and no gate that is not sure counts as passed."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import junitparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gdfq_export.report.gates import decide
from gdfq_export.report.report import Report
from gdfq_export.report.verdict import GateResult, Verdict
from gdfq_export.support.text import printable
from gdfq_export.views.junit import junit_xml
from tests.report.reports import bare_report, make_report

SCHEMA = etree.XMLSchema(file=str(Path(__file__).with_name("junit.xsd")))
LIMITS = {"require-parity": True, "max-top1-drop-pp": 1.0, "max-size-ratio": 0.2, "min-integer-coverage": 1.0}
"""Of the labelled report: passed, inconclusive with 20 images, failed, passed."""


def gated(report: Report, limits: dict[str, float | bool] = LIMITS) -> Report:
    return dataclasses.replace(report, gates=decide(report, limits))


def parse(text: str) -> etree._Element:
    root = etree.fromstring(text.encode("utf-8"))
    SCHEMA.assertValid(root)
    return root


@pytest.mark.parametrize(
    "report",
    [gated(make_report(labelled=True)), gated(bare_report()), make_report(labelled=False), bare_report()],
    ids=["gated", "bare-gated", "no-gates", "bare"],
)
def test_it_is_valid_and_its_counts_are_those_of_its_cases(report: Report) -> None:
    root = parse(junit_xml(report))
    (suite,) = root
    for attribute, path in (("tests", "testcase"), ("failures", "testcase/failure"), ("errors", "testcase/error")):
        assert int(suite.get(attribute)) == len(suite.findall(path))


def test_a_second_reader_finds_a_case_a_gate_and_its_verdict() -> None:
    report = gated(make_report(labelled=True))
    (suite,) = junitparser.JUnitXml.fromstring(junit_xml(report).encode("utf-8"))
    assert suite.name == "gdfq-export"
    cases = {case.name: case for case in suite}
    assert [*cases] == ["require-parity", "max-top1-drop-pp 1.0", "min-integer-coverage 1.0", "max-size-ratio 0.2"]
    assert cases["require-parity"].is_passed and cases["min-integer-coverage 1.0"].is_passed
    (failure,) = cases["max-size-ratio 0.2"].result
    assert isinstance(failure, junitparser.Failure)
    assert (failure.type, failure.message) == ("failed", report.gates[3].message)
    (error,) = cases["max-top1-drop-pp 1.0"].result
    assert isinstance(error, junitparser.Error)
    assert error.type == "inconclusive"
    assert "inconclusive with 20 images" in error.message
    assert {case.classname for case in cases.values()} == {"gdfq-export.q_onnx"}


def test_what_was_not_measured_does_not_count_as_passed() -> None:
    (suite,) = parse(junit_xml(gated(bare_report())))
    cases = {case.get("name"): case for case in suite.findall("testcase")}
    error = cases["require-parity"].find("error")
    assert error is not None and error.get("message") == "not measured: because"


def test_without_gates_it_says_that_it_measured() -> None:
    (suite,) = parse(junit_xml(make_report(labelled=True)))
    (case,) = suite.findall("testcase")
    assert case.get("name") == "measured" and len(case) == 0
    assert suite.get("time") == "1.750"


def test_it_holds_the_figures_and_what_they_depend_on() -> None:
    (suite,) = parse(junit_xml(gated(make_report(labelled=True))))
    out = suite.findtext("system-out")
    assert out is not None
    assert "failed: max-size-ratio 0.2: 0.25 of float" in out
    assert "top-1 accuracy, quantized" in out and "20 images of a.npz" in out
    assert suite.findtext("system-err") == "warning: BatchNorm is folded\n"
    properties = {each.get("name"): each.get("value") for each in suite.iterfind("properties/property")}
    assert len(properties) == len(suite.findall("properties/property"))
    assert properties["file.quantized.sha256"] == "cd"
    assert (properties["recipe.sha256"], properties["seed"]) == ("ef", "3")
    assert (properties["machine.cpu"], properties["version.python"]) == ("cpu", "3.11")


def test_the_moment_is_given_in_utc() -> None:
    when = datetime(2025, 3, 1, 12, 30, tzinfo=UTC)
    assert 'timestamp="2025-03-01T12:30:00"' in junit_xml(bare_report(), when=when)


@settings(max_examples=150, deadline=None)
@given(message=st.text(), name=st.text(), verdict=st.sampled_from(Verdict))
def test_any_text_is_valid_ascii_and_comes_back(message: str, name: str, verdict: Verdict) -> None:
    gate = GateResult(name=name, limit=1.0, unit="", value=None, low=None, high=None, verdict=verdict, message=message)
    text = junit_xml(dataclasses.replace(bare_report(), gates=(gate,), warnings=(message,)))
    assert text.isascii()
    (suite,) = parse(text)
    found = suite.find("testcase/*")
    assert (found is None) == (verdict is Verdict.PASSED)
    if found is not None and printable(message) == message:
        assert found.get("message") == message
