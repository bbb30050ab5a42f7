"""The run: time by phase, machine, versions, files, the chosen target."""

from __future__ import annotations

from dataclasses import dataclass

from gdfq_export.report.report import InputFacts, NamedInput, Report
from gdfq_export.runtimes import runtime_title
from gdfq_export.support.finding import Consequence
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.views.html.numerals import count, kilobytes, milliseconds, percent, seconds, significant

_MOST_SEVERE_FIRST = (*Consequence,)
_SEVERE = (Consequence.REFUSED, Consequence.WRONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRow:
    """A phase, its seconds, and its bar in per cent of the longest."""

    name: str
    text: str
    bar: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRow:
    """A candidate of `--target auto`."""

    target: str
    runtime: str
    median: str
    speed: str
    integers: str
    reason: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenRule:
    """A rule broken by one node."""

    consequence: str
    rule: str
    node: str
    message: str
    severe: bool


def subtitle(report: Report) -> str:
    """What was done, for which runtime, in which bits, on which machine: one line under the title."""
    parts = [f"{report.source}, {'quantized' if report.command == 'quantize' else 'verified'}"]
    if report.recipe is not None:
        parts.append(f"recipe {report.recipe.name} for {report.recipe.target}")
    if report.runtime is not None:
        parts.append(f"measured in {runtime_title(report.runtime.measured_in)}")
    parts.append(f"on {report.machine.cpu}, {count(report.machine.cores, 'core')}")
    return " \u00b7 ".join(parts)


def phases(report: Report) -> tuple[PhaseRow, ...]:
    """In the order they ran."""
    longest = max(report.seconds_by_phase.values(), default=0.0) or 1.0
    return tuple(
        PhaseRow(name=name, text=seconds(spent), bar=round(100 * spent / longest, 2))
        for name, spent in report.seconds_by_phase.items()
    )


def broken_rules(report: Report) -> tuple[BrokenRule, ...]:
    """Findings, the most severe consequence first; none where no rule was checked."""
    found = () if isinstance(report.findings, NotMeasured) else report.findings
    rules = [
        BrokenRule(
            consequence=str(finding.consequence),
            rule=finding.rule,
            node=finding.node,
            message=finding.message,
            severe=finding.consequence in _SEVERE,
        )
        for finding in sorted(found, key=lambda finding: _MOST_SEVERE_FIRST.index(finding.consequence))
    ]
    return tuple(rules)


def targets(report: Report) -> tuple[TargetRow, ...]:
    """Every candidate of `--target auto`; empty where the target was given."""
    choice = report.target_choice
    if choice is None:
        return ()
    rows = []
    for candidate in choice.candidates:
        ratio, compute = candidate.speedup, candidate.integer_compute + candidate.float_compute
        rows.append(
            TargetRow(
                target=candidate.target,
                runtime=candidate.runtime,
                median="not measured" if candidate.timings is None else milliseconds(candidate.timings.p50_ms),
                speed=""
                if ratio is None
                else f"{significant(ratio.value)} [{significant(ratio.low)}, {significant(ratio.high)}]",
                integers=f"{candidate.integer_compute} of {compute}" if compute else "",
                reason=candidate.reason,
                chosen=candidate.target == choice.chosen,
            )
        )
    return tuple(rows)


def _inputs(inputs: InputFacts) -> list[tuple[str, str]]:
    """Shape and preprocessing of the input, or of each of several."""
    classes = "" if inputs.classes is None else f", {count(inputs.classes, 'class', 'classes')}"
    named: list[tuple[str, InputFacts | NamedInput]] = [(f" {each.name}", each) for each in inputs.inputs]
    found = []
    for name, each in named or [("", inputs)]:
        means, stds = (", ".join(significant(value, 4) for value in values) for values in (each.mean, each.std))
        found.append((f"input{name}", " x ".join(map(str, each.shape)) + classes))
        found.append((f"preprocessing{name and ' of' + name}", f"(pixel / {each.scale:g} \u2212 [{means}]) / [{stds}]"))
        classes = ""
    return found


def facts(report: Report) -> tuple[tuple[str, str], ...]:
    """Input, images, seed, machine: what else the figures depend on."""
    machine, found = report.machine, _inputs(report.input)
    if report.recipe is not None:
        found.append(("recipe", f"{report.recipe.name}, SHA-256 {report.recipe.sha256}"))
    if report.seed is not None:
        found.append(("seed", str(report.seed)))
    if report.calibration is not None:
        made = report.calibration
        found.append(("calibration images", f"{count(made.images)} of {made.source}"))
    if report.budget is not None:
        found.append(("budget", f"{seconds(report.budget.seconds_spent)} of {seconds(report.budget.seconds)} spent"))
    if (mixed := report.mixed_bits) is not None:
        raised = ", ".join(mixed.raised) or "none"
        growth = f"weights grew by {percent(mixed.growth, 1)}"
        of = len(mixed.layers) or len(mixed.sensitivity) or len(mixed.raised)
        share = f"{len(mixed.raised)} of {count(of, 'layer')} with more bits"
        found.append(("mixed bits", f"{share}, {growth}: {raised}"))
    load = "" if machine.load_1min is None else f", load {machine.load_1min:g} in the minute before"
    flags = f" ({', '.join(machine.flags)})" if machine.flags else ""
    found.append(("machine", f"{machine.cpu}{flags}, {count(machine.cores, 'core')}, {machine.system}{load}"))
    found.append(
        ("size", f"{kilobytes(report.files.float_network.bytes)} to {kilobytes(report.files.quantized.bytes)}")
    )
    return tuple(found)
