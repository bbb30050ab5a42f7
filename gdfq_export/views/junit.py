"""The gates as JUnit XML, one test case per gate, so that CI systems show them beside other tests.

The format is what both Jenkins' junit-10.xsd and the schema of Ant's JUnit reports accept. A failed gate is a
`failure`. An inconclusive gate, also one whose figure was not measured, is an `error`: CI systems count errors as not
passed and show them apart from failures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from gdfq_export.report.batch.batch import Batch
from gdfq_export.report.batch.row import BatchRow
from gdfq_export.report.report import Report
from gdfq_export.report.summary_table import summary_rows
from gdfq_export.report.verdict import GateResult, Verdict
from gdfq_export.support.text import printable
from gdfq_export.views.details import detail_rows

_ILLEGAL = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ELEMENT = {Verdict.FAILED: "failure", Verdict.INCONCLUSIVE: "error"}


def junit_xml(report: Report, *, when: datetime | None = None) -> str:
    """One test suite, "gdfq-export"; without gates it holds one test case, "measured".

    The text is ASCII: other characters are references, and those that XML 1.0 cannot hold become U+FFFD. `when` is the
    attribute `timestamp`, in UTC; the default is now.
    """
    root = ET.Element("testsuites")
    suite = _suite(root, "gdfq-export", report.gates, seconds=sum(report.seconds_by_phase.values()), when=when)
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(report):
        ET.SubElement(properties, "property", name=name, value=_legal(value))
    _cases(suite, report.gates, "gdfq-export." + _token(report.files.quantized.name).replace(".", "_"))
    ET.SubElement(suite, "system-out").text = _legal(_table(report))
    ET.SubElement(suite, "system-err").text = _legal("".join(f"warning: {line}\n" for line in report.warnings))
    return _text(root)


def batch_junit_xml(batch: Batch, *, when: datetime | None = None) -> str:
    """All jobs of a batch, a suite each: its gates, or an error for a job that could not be run."""
    root = ET.Element("testsuites")
    for number, row in enumerate(batch.rows):
        suite = _suite(root, _token(row.name), row.gates, seconds=row.seconds, when=when, number=number, row=row)
        properties = ET.SubElement(suite, "properties")
        ET.SubElement(properties, "property", name="job", value=row.job)
        classname = "gdfq-export." + _token(row.name).replace(".", "_")
        if row.reason is None:
            _cases(suite, row.gates, classname)
        else:
            case = ET.SubElement(suite, "testcase", name="run", classname=classname, time="0")
            ET.SubElement(case, "error", type="not run", message=_legal(row.reason)).text = _legal(row.reason)
        ET.SubElement(suite, "system-out").text = _legal(_row_text(row))
        ET.SubElement(suite, "system-err").text = _legal("".join(f"warning: {line}\n" for line in row.warnings))
    return _text(root)


def _suite(
    root: ET.Element,
    name: str,
    gates: Sequence[GateResult],
    *,
    seconds: float,
    when: datetime | None,
    number: int = 0,
    row: BatchRow | None = None,
) -> ET.Element:
    """A test suite with its counts; a `row` that could not be run is one error."""
    moment = (when or datetime.now(UTC)).astimezone(UTC)
    verdicts = [gate.verdict for gate in gates]
    not_run = row is not None and row.reason is not None
    return ET.SubElement(
        root,
        "testsuite",
        name=name,
        package="gdfq_export",
        id=str(number),
        hostname="localhost",  # a report does not hold the name of its machine
        timestamp=moment.strftime("%Y-%m-%dT%H:%M:%S"),
        tests=str(max(1, len(verdicts))),
        failures=str(verdicts.count(Verdict.FAILED)),
        errors=str(verdicts.count(Verdict.INCONCLUSIVE) + not_run),
        time=f"{seconds:.3f}",
    )


def _cases(suite: ET.Element, gates: Sequence[GateResult], classname: str) -> None:
    if not gates:
        ET.SubElement(suite, "testcase", name="measured", classname=classname, time="0")
    for gate in gates:
        case = ET.SubElement(suite, "testcase", name=_token(gate.title), classname=classname, time="0")
        if gate.verdict in _ELEMENT:
            missed = ET.SubElement(case, _ELEMENT[gate.verdict], type=gate.verdict.value, message=_legal(gate.message))
            missed.text = _legal(_details(gate))


def _text(root: ET.Element) -> str:
    ET.indent(root)
    body = ET.tostring(root, encoding="us-ascii", xml_declaration=False).decode("ascii")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _row_text(row: BatchRow) -> str:
    """The figures of a job in one line."""
    figures = row.figures
    if figures is None:
        return f"{row.verdict}\n"
    loss = "loss not measured" if figures.loss is None else f"{figures.loss.title} {figures.loss.text}"
    latency = "latency not measured" if figures.latency_ms is None else f"{figures.latency_ms:.4g} ms per batch"
    return f"{row.verdict}: {loss}, {figures.bytes:,} bytes, {latency}\n"


def _properties(report: Report) -> Iterator[tuple[str, str]]:
    """What the figures depend on: file hashes, machine, versions."""
    yield "tool_version", report.tool_version
    for name, file in (("float", report.files.float_network), ("quantized", report.files.quantized)):
        yield f"file.{name}.name", file.name
        yield f"file.{name}.sha256", file.sha256
    if report.recipe is not None:
        yield "recipe.name", report.recipe.name
        yield "recipe.sha256", report.recipe.sha256
    if report.seed is not None:
        yield "seed", str(report.seed)
    if report.runtime is not None:
        yield "runtime", report.runtime.measured_in
    machine = report.machine
    yield "machine.cpu", machine.cpu
    yield "machine.flags", " ".join(machine.flags)
    yield "machine.cores", str(machine.cores)
    yield "machine.system", machine.system
    for package, version in report.versions.items():
        yield f"version.{package}", version


def _details(gate: GateResult) -> str:
    return f"{gate.title}: {gate.verdict.value}\n{gate.message}\n"


def _table(report: Report) -> str:
    """The gates with their messages, then all figures, as text in columns."""
    gates = [f"{gate.verdict.value}: {gate.title}: {gate.message}" for gate in report.gates]
    rows = [*summary_rows(report), *detail_rows(report)]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    figures = [f"{what:<{widths[0]}}  {value:<{widths[1]}}  {note}".rstrip() for what, value, note in rows]
    return "\n".join([*gates, *([""] if gates else []), *figures]) + "\n"


def _legal(text: str) -> str:
    """The text without characters that XML cannot hold, with line feeds as line ends."""
    return printable(_ILLEGAL.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n")), lines=True)


def _token(text: str) -> str:
    """On one line with single spaces, as the names of tests must be."""
    return " ".join(_legal(text).split()) or "model"
