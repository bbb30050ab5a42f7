"""The end of `--target auto`: the file of the fastest target that keeps the accuracy gates.

Targets differ in numbers, not in speed alone (weights of 7 bits for CPUs without VNNI, activations without a zero
point), so accuracy is known when a file is there. The targets are taken from the fastest down; the first whose file
fails no gate on accuracy is kept, each made as a run with `--target NAME` makes it.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gdfq_export.errors import InternalError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.gates import GATES
from gdfq_export.jobs import quantize as pipeline
from gdfq_export.jobs.quantize import QuantizeResult
from gdfq_export.recipe import Recipe
from gdfq_export.report.gates import GateResult, Verdict
from gdfq_export.report.target_choice import TargetChoice
from gdfq_export.support.files import atomic_output, require_writable

__all__ = ["quantize_fastest"]

_ON_ACCURACY = frozenset(gate.name for gate in GATES if gate.on_accuracy)


def quantize_fastest(
    model: FloatModel, recipe: Recipe, choice: TargetChoice, *, out: Path, report: Path | None, **settings: Any
) -> QuantizeResult:
    """Quantize for the chosen target; where its file fails a gate on accuracy, for the next fastest.

    Where every file fails one, that of the fastest target is kept. `report.target_choice` says why a faster target was
    passed over.

    Args:
        model: the float network.
        recipe: as for `pipeline.quantize`; its target is set here.
        choice: what was measured.
        out: the ONNX file to write.
        report: the JSON report to write.
        **settings: of `pipeline.quantize`, the gates among them.

    Raises:
        InputError, BackendUnavailable: as `pipeline.quantize` does.
    """
    for path in (out, report):
        if path is not None:
            require_writable(path)
    results: dict[str, QuantizeResult] = {}
    with tempfile.TemporaryDirectory(prefix="gdfq-export-") as scratch:
        for target in choice.by_speed:
            folder = Path(scratch) / target
            folder.mkdir()
            results[target] = pipeline.quantize(
                model,
                recipe.model_copy(update={"target": target}),
                out=folder / out.name,
                report=None,
                choice=choice,
                **settings,
            )
            if not _failed(results[target]):
                break
        kept = _kept(results)
        result = results[kept]
        told = dataclasses.replace(result.report, target_choice=_tell(choice, results, kept))
        with ExitStack() as outputs:
            shutil.copyfile(Path(scratch) / kept / out.name, outputs.enter_context(atomic_output(out)))
            if report is not None:
                outputs.enter_context(atomic_output(report)).write_text(told.to_json(), encoding="utf-8")
    return dataclasses.replace(result, report=told)


def _failed(result: QuantizeResult) -> tuple[GateResult, ...]:
    """The gates on accuracy that the file fails for sure."""
    return tuple(gate for gate in result.report.gates if gate.name in _ON_ACCURACY and gate.verdict is Verdict.FAILED)


def _kept(results: dict[str, QuantizeResult]) -> str:
    """The first that fails nothing, else the fastest."""
    if not results:
        raise InternalError("a choice of targets names none")
    return next((target for target, result in results.items() if not _failed(result)), next(iter(results)))


def _tell(choice: TargetChoice, results: dict[str, QuantizeResult], kept: str) -> TargetChoice:
    """The choice with the gates that files failed beside their times."""
    for target, result in results.items():
        if failed := _failed(result):
            choice = choice.with_reason(target, f"fails {failed[0].title}: {failed[0].message}")
    if kept == choice.chosen:
        return choice
    words = f"fastest of those that keep the gates on accuracy; {choice.chosen} is faster and does not"
    return dataclasses.replace(choice.with_reason(kept, f"chosen: {words}"), chosen=kept, reason=words)
