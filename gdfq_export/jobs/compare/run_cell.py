"""One cell of a comparison: quantized in its budget, and what the exported file scores, or why there is none."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import torch

from calib.errors import DataError
from calib.samplers import RealSet
from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs import quantize as pipeline
from gdfq_export.jobs.compare.cells import Cell, Measured, Score
from gdfq_export.jobs.compare.methods import METHODS, BudgetUse
from gdfq_export.jobs.compare.scored_images import ScoredImages
from gdfq_export.recipe import Recipe
from gdfq_export.report.report import Report
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.progress import Progress
from gdfq_export.synthesis.registry import cut_to_budget
from gdfq_export.tasks.classification.accuracy import Accuracy

__all__ = ["MEASURING_PHASES", "run_cell"]

MEASURING_PHASES = (
    "make fresh images",
    "agreement",
    "accuracy",
    "coverage",
    "parity",
    "simulation",
    "layers",
    "latency",
)


def run_cell(
    model: FloatModel,
    cell: Cell,
    recipe: Recipe,
    *,
    out: Path,
    budget: float,
    scored: ScoredImages,
    real: RealSet | None,
    progress: Progress,
) -> Cell:
    """The cell with what was measured, or with the reason why it could not be.

    Args:
        model: the float network.
        cell: what to run; its identity has the seed and the device.
        recipe: of its method on its grid.
        out: the ONNX file to write.
        budget: seconds up to the written file.
        scored: the images it is scored on.
        real: those it is tuned on, if the method works on real ones.
        progress: where its phases report themselves; counts no other cell's.
    """
    started = time.perf_counter()
    method, identity = METHODS[cell.method], cell.identity

    def left() -> float:
        return budget - (time.perf_counter() - started)

    try:
        with progress.phase("time a few steps"):
            recipe, cut = cut_to_budget(recipe, model, left, identity.device)
        report = pipeline.quantize(
            model,
            recipe,
            out=out,
            report=None,
            data=scored.images,
            calibration=real if method.real else None,
            seed=identity.seed,
            device=identity.device,
            progress=progress,
            budget=max(1e-3, left()) if method.budget is BudgetUse.SPENT else None,
        ).report
    except (InputError, BackendUnavailable, DataError) as error:
        return replace(cell, reason=str(error))
    assert report.calibration is not None and report.recipe is not None, "a run knows how it made its file"
    seconds = time.perf_counter() - started
    measuring = sum(progress.seconds.get(phase, 0.0) for phase in MEASURING_PHASES)
    return replace(
        cell,
        measured=Measured(
            score=_score(report, labelled=scored.labelled),
            seconds=seconds - measuring,
            seconds_measuring=measuring,
            file=report.files.quantized,
            tuned_on=report.calibration.source,
            images=report.calibration.images,
            cut=cut,
            recipe_used=report.recipe.used,
            machine=_words(report, identity.device),
            warnings=tuple(warning for warning in report.warnings if warning not in model.warnings),
        ),
    )


def _score(report: Report, *, labelled: bool) -> Score:
    accuracy = report.accuracy
    assert isinstance(accuracy, Accuracy), "images were given"
    if not labelled:
        return Score(agreement=accuracy.agreement, top1=None, top5=None)
    top5 = None if isinstance(accuracy.top5, NotMeasured) else accuracy.top5
    return Score(agreement=accuracy.agreement, top1=accuracy.top1, top5=top5)


def _words(report: Report, device: str) -> str:
    """CPU, cores, threads and the versions that decide what comes out."""
    machine = report.machine
    counted = ((machine.cores, "core"), (torch.get_num_threads(), "thread"))
    counts = ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counted)
    runtime = report.runtime.measured_in if report.runtime is not None else ""
    trained = "" if device == "cpu" else f", trained on {device}"
    return f"{machine.cpu}, {counts}{trained}; torch {report.versions['torch']}, measured in {runtime}"
