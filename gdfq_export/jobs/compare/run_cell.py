"""One cell: a network quantized by one method within its time budget, and what the exported file scores."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from calib.errors import DataError
from calib.samplers import RealSet
from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.compare.cells import Cell, CellResult, Score
from gdfq_export.jobs.compare.methods import METHODS, BudgetUse
from gdfq_export.jobs.quantize import quantize
from gdfq_export.jobs.quantizing.request import QuantizeRequest
from gdfq_export.jobs.result import Result
from gdfq_export.jobs.resume.continued import continued
from gdfq_export.jobs.resume.identity import images_identity, run_identity
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.recipe import Recipe
from gdfq_export.report.report import Report
from gdfq_export.runtimes import runtime_title
from gdfq_export.support.checkpoints.state_file import CheckpointError
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.progress import Progress
from gdfq_export.support.text import counted
from gdfq_export.synthesis.method import Cut
from gdfq_export.synthesis.registry import cut_to_budget
from gdfq_export.tasks.classification.accuracy import Accuracy
from gdfq_export.tasks.labelled_images import LabelledImages

_MEASURING_PHASES = (
    "make fresh images",
    "agreement",
    "accuracy",
    "coverage",
    "parity",
    "simulation",
    "layers",
    "latency",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellSettings:
    """How a cell is run.

    Attributes:
        method: key of `METHODS`.
        recipe: of the method at its bit widths.
        scored: labelled images that the file is scored on.
        real: images to tune on, for a method that needs real ones.
        budget: seconds up to the written file.
        spend: methods that can use the whole budget do so; False runs their recipe's own numbers.
        seed: random seed.
        device: torch device.
        checkpoint: folder that keeps the state of the cell while it runs; None keeps nothing.
        restart: discard what an earlier run left there.
    """

    method: str
    recipe: Recipe
    scored: LabelledImages
    real: RealSet | None
    budget: float
    spend: bool = True
    seed: int = 0
    device: str = "cpu"
    checkpoint: Path | None = None
    restart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellRun:
    """What a cell left.

    Attributes:
        result: file, report and images.
        recipe: with its schedule cut to the budget, before anything else was chosen.
        cut: how it was cut.
        seconds: up to the file.
        seconds_measuring: spent on measuring the file.
    """

    result: Result
    recipe: Recipe
    cut: Cut | None
    seconds: float
    seconds_measuring: float


def quantize_cell(model: FloatModel, settings: CellSettings, *, name: str, progress: Progress) -> CellRun:
    """Quantize `model` into a file called `name`, which is not written, and measure it; `progress` must be new.

    Raises:
        InputError: the method cannot work with this network.
        BackendUnavailable: nothing here runs the file.
    """
    method = METHODS[settings.method]
    run = RunContext(
        seed=settings.seed,
        device=settings.device,
        budget_seconds=settings.budget,
        begun=time.monotonic(),
        measuring_counts=False,
        progress=progress,
        checkpoint=settings.checkpoint,
        restart=settings.restart,
    )
    real = settings.real if method.real else None
    identity = run_identity(
        "compare", model, recipe=settings.recipe, run=run, method=settings.method, calibration=images_identity(real)
    )
    with continued(run, identity) as run:
        recipe, cut = _cut(model, settings, run)
        request = QuantizeRequest(model=model, recipe=recipe, labelled=settings.scored, calibration=real, name=name)
        spends = settings.spend and method.budget is BudgetUse.SPENT
        result = quantize(request, run if spends else replace(run, budget_seconds=None))
    measuring = sum(progress.seconds.get(phase, 0.0) for phase in _MEASURING_PHASES)
    return CellRun(
        result=result,
        recipe=recipe,
        cut=cut,
        seconds=_seconds_since(run) - measuring,
        seconds_measuring=measuring,
    )


def _cut(model: FloatModel, settings: CellSettings, run: RunContext) -> tuple[Recipe, Cut | None]:
    """The recipe with its published schedule cut to the budget, now or in an earlier part of the run."""
    checkpoint = run.progress.checkpoints.of("cut")
    if (kept := checkpoint.kept()) is not None:
        return Recipe.model_validate(kept["recipe"]), None if kept["cut"] is None else Cut(**kept["cut"])
    with run.progress.phase("time a few steps"):
        recipe, cut = cut_to_budget(
            settings.recipe, model, lambda: settings.budget - _seconds_since(run), settings.device
        )
    checkpoint.keep({"recipe": recipe.model_dump(mode="json"), "cut": None if cut is None else asdict(cut)})
    return recipe, cut


def _seconds_since(run: RunContext) -> float:
    assert run.begun is not None
    return time.monotonic() - run.begun


def run_cell(
    model: FloatModel, cell: Cell, settings: CellSettings, *, name: str, progress: Progress, labelled: bool
) -> tuple[Cell, Result | None]:
    """The cell with what was measured, and its network; or with the reason why it could not be.

    `labelled` says that the labels of the scored images were given, so that Top-1 means something.

    Raises:
        CheckpointError: the cell cannot go on from `settings.checkpoint`.
    """
    try:
        run = quantize_cell(model, settings, name=name, progress=progress)
    except CheckpointError:
        raise
    except (InputError, BackendUnavailable, DataError) as error:
        return replace(cell, reason=str(error)), None
    report = run.result.report
    assert report.calibration is not None and report.recipe is not None, "a run knows how it made its file"
    made = replace(
        cell,
        measured=CellResult(
            score=_score(report, labelled=labelled),
            seconds=run.seconds,
            seconds_measuring=run.seconds_measuring,
            file=report.files.quantized,
            tuned_on=report.calibration.source,
            images=report.calibration.images,
            cut=run.cut,
            recipe_used=report.recipe.used,
            machine=_machine_text(report, settings.device),
            warnings=tuple(warning for warning in report.warnings if warning not in model.warnings),
        ),
    )
    return made, run.result


def _score(report: Report, *, labelled: bool) -> Score:
    accuracy = report.accuracy
    if not isinstance(accuracy, Accuracy):
        assert report.task is not None and report.task.figures, "images were given"
        drops = [figure for figure in report.task.figures if figure.unit == "pp"]
        return Score(agreement=None, top1=None, top5=None, figure=[*drops, *report.task.figures][0])
    if not labelled:
        return Score(agreement=accuracy.agreement, top1=None, top5=None)
    top5 = None if isinstance(accuracy.top5, NotMeasured) else accuracy.top5
    return Score(agreement=accuracy.agreement, top1=accuracy.top1, top5=top5)


def _machine_text(report: Report, device: str) -> str:
    """CPU, cores, threads, and the versions that decide the result."""
    machine = report.machine
    threads = counted(torch.get_num_threads(), "thread")
    runtime = "" if report.runtime is None else f", measured in {runtime_title(report.runtime.measured_in)}"
    trained = "" if device == "cpu" else f", trained on {device}"
    software = f"torch {report.versions['torch']}{runtime}"
    return f"{machine.cpu}, {counted(machine.cores, 'core')}, {threads}{trained}; {software}"
