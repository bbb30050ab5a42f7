"""The end of `--target auto`: the file of the fastest target that keeps the accuracy gates.

Targets differ in numbers, not in speed alone (weights of 7 bits for CPUs without VNNI, activations without a zero
point), so accuracy is known when a file is there. The targets are taken from the fastest down; the first whose file
fails no gate on accuracy is kept, each made as a run with `--target NAME` makes it.
"""

from __future__ import annotations

import dataclasses

from gdfq_export.errors import InternalError
from gdfq_export.gates import GATES
from gdfq_export.jobs.quantize import quantize
from gdfq_export.jobs.quantizing.request import QuantizeRequest
from gdfq_export.jobs.result import Result
from gdfq_export.jobs.resume.continued import part_of_run
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.report.target_choice import TargetChoice
from gdfq_export.report.verdict import GateResult, Verdict

_ON_ACCURACY = frozenset(gate.name for gate in GATES if gate.on_accuracy)


def quantize_fastest(request: QuantizeRequest, choice: TargetChoice, run: RunContext) -> Result:
    """Quantize for the chosen target; where its file fails a gate on accuracy, for the next fastest.

    Where every file fails one, that of the fastest target is kept. `report.target_choice` says why a faster target was
    passed over.

    Args:
        request: as for `quantize`; the target of its recipe is set here.
        choice: what was measured.
        run: as for `quantize`.

    Raises:
        InputError, BackendUnavailable: as `quantize` does.
    """
    results: dict[str, Result] = {}
    for target in choice.by_speed:
        recipe = request.recipe.model_copy(update={"target": target})
        with part_of_run(run.progress, target):
            results[target] = quantize(dataclasses.replace(request, recipe=recipe), run)
        if not _failed(results[target]):
            break
    kept = _kept(results)
    result = results[kept]
    report = dataclasses.replace(result.report, target_choice=_tell(choice, results, kept))
    return dataclasses.replace(result, report=report)


def _failed(result: Result) -> tuple[GateResult, ...]:
    """The gates on accuracy that the file fails for sure."""
    return tuple(gate for gate in result.report.gates if gate.name in _ON_ACCURACY and gate.verdict is Verdict.FAILED)


def _kept(results: dict[str, Result]) -> str:
    """The first that fails nothing, else the fastest."""
    if not results:
        raise InternalError("a choice of targets names none")
    return next((target for target, result in results.items() if not _failed(result)), next(iter(results)))


def _tell(choice: TargetChoice, results: dict[str, Result], kept: str) -> TargetChoice:
    """The choice with the gates that files failed beside their times."""
    for target, result in results.items():
        if failed := _failed(result):
            choice = choice.with_reason(target, f"fails {failed[0].title}: {failed[0].message}")
    if kept == choice.chosen:
        return choice
    words = f"fastest of those that keep the gates on accuracy; {choice.chosen} is faster and does not"
    return dataclasses.replace(choice.with_reason(kept, f"chosen: {words}"), chosen=kept, reason=words)
