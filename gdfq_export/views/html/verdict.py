"""May this file ship? One word, and the one sentence why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gdfq_export.report.gates import GateResult, Verdict
from gdfq_export.report.report import Report
from gdfq_export.support.text import counted
from gdfq_export.views.html.numerals import count

__all__ = ["Answer", "answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`tone` is passed, failed, undecided or none: the page's colour and mark; `others` names the remaining gates."""

    tone: str
    word: str
    why: str
    others: tuple[str, ...] = ()


def answer(report: Report) -> Answer:
    """What fails decides; then what cannot be decided; then that all holds."""
    gates = report.gates
    failed = [gate for gate in gates if gate.verdict is Verdict.FAILED]
    undecided = [gate for gate in gates if gate.verdict is Verdict.UNDECIDED]
    if failed:
        return _blame("failed", "Failed", failed, len(gates), "does not hold", "do not hold", [*failed[1:], *undecided])
    if undecided:
        them = ("cannot be decided", "cannot be decided")
        return _blame("undecided", "Not decidable", undecided, len(gates), *them, undecided[1:])
    if gates:
        holds = "The one gate that was set holds." if len(gates) == 1 else f"All {counted(len(gates), 'gate')} hold."
        return Answer(tone="passed", word="Passed", why=holds, others=tuple(gate.name for gate in gates))
    return Answer(
        tone="none",
        word="No gates were set",
        why="Nothing was asked of this file, so nothing was decided: the figures below were measured, and whether they "
        "are good enough is yours to say. A gate such as max-top1-drop-pp turns a figure into a verdict.",
    )


def _blame(
    tone: str, word: str, gates: Sequence[GateResult], total: int, one: str, many: str, others: Sequence[GateResult]
) -> Answer:
    first = gates[0]
    how_many = f"{len(gates)} of {count(total, 'gate')} {one if len(gates) == 1 else many}"
    return Answer(
        tone=tone,
        word=word,
        why=f"{how_many}. {first.name}: {first.message}.",
        others=tuple(f"{gate.name} ({gate.verdict})" for gate in others),
    )
