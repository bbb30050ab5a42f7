"""A report as Markdown for a pull request: verdict, gates and summary; all other figures are folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gdfq_export.report.gates import float_nodes, worst_layer
from gdfq_export.report.report import Report
from gdfq_export.report.summary_table import summary_rows
from gdfq_export.report.verdict import GateResult, Verdict
from gdfq_export.runtimes import runtime_title
from gdfq_export.support.text import counted
from gdfq_export.views.details import detail_rows
from gdfq_export.views.markdown_text import escaped, table

_MARK = {Verdict.PASSED: "✅", Verdict.FAILED: "❌", Verdict.INCONCLUSIVE: "⚠️"}


def markdown(report: Report) -> str:
    """The verdict in one line, the gates, the summary, causes, warnings; then all figures and the machine, folded."""
    parts = [f"### {_verdict(report)}"]
    if report.gates:
        parts.append(table(("gate", "limit", "measured", "verdict"), map(_gate_row, report.gates)))
        parts += [f"- **{escaped(gate.title)}**: {escaped(gate.message)}" for gate in report.gates if not gate.passed]
    parts.append(table(("figure", "value", "sample"), summary_rows(report)[1:]))
    parts += [escaped(_sentence(said)) for said in (worst_layer(report), float_nodes(report)) if said]
    parts += [f"- ⚠️ {escaped(warning)}" for warning in report.warnings]
    folded = {
        "More figures": table(("figure", "value", "sample"), detail_rows(report)),
        "Machine, versions and hashes": table(("name", "value"), _facts(report)),
    }
    parts += [f"<details><summary>{name}</summary>\n\n{table}\n\n</details>" for name, table in folded.items()]
    return _joined(parts)


def _verdict(report: Report) -> str:
    verdict, name = report.outcome.verdict, escaped(report.files.quantized.name)
    mark = "" if verdict is None else f"{_MARK[verdict]} "
    return f"{mark}{name}: {report.outcome.counts}"


def _gate_row(gate: GateResult) -> tuple[str, ...]:
    unit = "" if gate.unit in ("", "boolean") else f" {gate.unit}"
    limit = "required" if gate.limit is True else f"{gate.limit}{unit}"
    if gate.value is None:
        found = "not measured"
    elif gate.unit == "boolean":
        found = "yes" if gate.value else "no"
    else:
        found = f"{gate.value:.4g}{unit}"
        if gate.low != gate.high:
            found += f" ({gate.low:.4g} to {gate.high:.4g})"
    return gate.name, limit, found, f"{_MARK[gate.verdict]} {gate.verdict.value}"


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    for what, file in (("float", report.files.float_network), ("file", report.files.quantized)):
        yield f"{what} {file.name}", f"SHA-256 {file.sha256}"
    if report.recipe is not None:
        yield f"recipe {report.recipe.name}", f"SHA-256 {report.recipe.sha256}"
    if report.seed is not None:
        yield "seed", str(report.seed)
    machine = report.machine
    flags = ", ".join(machine.flags) or "no vector extensions"
    yield "machine", f"{machine.cpu}, {counted(machine.cores, 'core')}, {machine.system} ({flags})"
    if report.runtime is not None:
        yield "measured in", runtime_title(report.runtime.measured_in)
    yield "versions", ", ".join(f"{name} {version}" for name, version in report.versions.items())
    yield "tool", f"gdfq-export {report.tool_version}"


def _sentence(clause: str) -> str:
    """`; most error enters by ...` as a sentence of its own."""
    words = clause.removeprefix("; ")
    return f"{words[:1].upper()}{words[1:]}."


def _joined(parts: Iterable[str]) -> str:
    """Blank lines between parts, none between the items of a list."""
    text = ""
    for part in parts:
        tight = part.startswith("- ") and text.rpartition("\n")[2].startswith("- ")
        text += part if not text else f"{'' if tight else chr(10)}\n{part}"
    return text + "\n"
