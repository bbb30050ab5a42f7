from __future__ import annotations

from gdfq_export.views.html.verdict import answer
from tests.views.html.gated import FAILED, UNDECIDED, gate, with_gates


def test_all_gates_hold() -> None:
    said = answer(with_gates(gate(), gate("max-size-ratio")))
    assert (said.tone, said.word, said.why) == ("passed", "Passed", "All 2 gates hold.")
    assert said.others == ("max-top1-drop-pp", "max-size-ratio")


def test_a_failed_gate_decides_over_one_that_cannot_be_decided() -> None:
    said = answer(with_gates(gate(), gate("min-agreement", UNDECIDED), gate("max-p99-ms", FAILED)))
    assert (said.tone, said.word) == ("failed", "Failed")
    assert said.why == "1 of 3\u00a0gates does not hold. max-p99-ms: max-p99-ms is as it is."
    assert said.others == ("min-agreement (not decidable)",)


def test_what_cannot_be_decided_is_not_passed() -> None:
    said = answer(with_gates(gate(), gate("min-agreement", UNDECIDED)))
    assert (said.tone, said.word) == ("undecided", "Not decidable")
    assert said.why.startswith("1 of 2\u00a0gates cannot be decided. min-agreement:")


def test_without_gates_nothing_is_decided() -> None:
    said = answer(with_gates())
    assert (said.tone, said.word) == ("none", "No gates were set")
    assert "nothing was decided" in said.why
