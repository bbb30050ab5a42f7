"""Float network in, verified low-bit ONNX out: the whole job on one page."""

from __future__ import annotations

from calib.samplers import RealSet
from calib.synthetic_set import SyntheticSet
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.image_source import ImageSource
from gdfq_export.jobs.least_time import measuring_seconds
from gdfq_export.jobs.precision.repair import repaired
from gdfq_export.jobs.quantizing.finishing import Finishing
from gdfq_export.jobs.quantizing.request import QuantizeRequest
from gdfq_export.jobs.quantizing.shared_work import require_first
from gdfq_export.jobs.result import Result
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.jobs.time_budget import fresh_seconds, resolve, time_steps, too_short
from gdfq_export.jobs.tune_network import tune_network
from gdfq_export.jobs.verify.domain_checks import domain_checks, domain_warnings
from gdfq_export.metrics.in_domain import InDomain
from gdfq_export.planning.placement import as_planned, plan_of
from gdfq_export.planning.precision.goals import require_goals
from gdfq_export.recipe import Recipe
from gdfq_export.report.gates import require_gates_of_task
from gdfq_export.runtimes import BACKENDS
from gdfq_export.runtimes.choose import choose_backend
from gdfq_export.support.clocks.budget_clock import BudgetClock
from gdfq_export.support.curves import Curves
from gdfq_export.targets import find_target

_FOR_REPAIR = 0.3  # of a time budget, which tuning and measuring once more may take


def quantize(request: QuantizeRequest, run: RunContext) -> Result:
    """Quantize and measure what would be written; nothing is written.

    Raises:
        InputError: the calibration images do not fit the network, parts of the recipe do not go together, or training
            diverged.
        BackendUnavailable: the target's runtime is not installed.
    """
    recipe, progress = request.recipe, run.progress
    model, target = request.model, find_target(recipe.target)
    require_gates_of_task(request.gates, model.task.name, model.source)
    plan_of(as_planned(model, target, recipe.bits), recipe.target, recipe.bits)
    choose_backend(target, BACKENDS)  # all of these refuse before any time is spent
    require_goals(recipe)
    used, clock, short = _within_budget(request, run)
    curves = Curves()
    source = ImageSource(
        model, used, request.calibration, seed=run.seed, device=run.device, progress=progress, curves=curves
    )
    in_domain = _calibration_check(model, request.calibration, run)
    model = as_planned(source.model, target, recipe.bits)
    batch = model.file_batch or run.batch
    tuned = tune_network(model, plan_of(model, recipe.target, recipe.bits), used, source, clock, batch=batch)
    fresh = source.draw_fresh(used.verify.agreement_images, "make fresh images")
    require_first(run.processes)
    finishing = Finishing(
        request=request,
        run=run,
        source=source,
        clock=clock,
        verify=used.verify,
        fresh=fresh,
        curves=curves,
        warnings=short,
        in_domain=in_domain,
    )
    result = finishing.result(tuned)
    if tuned.precision is None:
        return result
    return repaired(result, finishing.tuned_again, lambda: clock is None or clock.left > _FOR_REPAIR * clock.seconds)


def _calibration_check(
    model: FloatModel, given: SyntheticSet | RealSet | None, run: RunContext
) -> tuple[InDomain, ...]:
    """Whether real calibration images are of the kind of the network's training data; said before time is spent."""
    if not isinstance(given, RealSet):
        return ()
    checked = domain_checks(model, {given.origin: given.images.numpy()}, run.progress)
    run.progress.warn(*domain_warnings(checked))
    return checked


def _within_budget(request: QuantizeRequest, run: RunContext) -> tuple[Recipe, BudgetClock | None, tuple[str, ...]]:
    """The recipe as it is used, the clock of the budget, and what to say where it is too short."""
    if run.budget_seconds is None:
        return resolve(request.recipe, request.model.input_spec.extent), None, ()
    clock = BudgetClock(run.budget_seconds, started=run.begun)
    run.progress.budget_left = lambda: clock.left
    checkpoint = run.progress.checkpoints.of("budget")
    kept = checkpoint.kept()
    if kept is None:
        used, reserved, short = run.processes.from_first(lambda: _fit(request, run, clock))
        kept = {"recipe": used.model_dump(mode="json"), "reserved": reserved, "short": short}
        checkpoint.keep(kept)
    clock.reserve(kept["reserved"])
    run.progress.warn(*kept["short"])
    return Recipe.model_validate(kept["recipe"]), clock, tuple(kept["short"])


def _fit(request: QuantizeRequest, run: RunContext, clock: BudgetClock) -> tuple[Recipe, float, tuple[str, ...]]:
    """The recipe that the budget pays for, the seconds to keep for what comes after tuning, and what to say of it."""
    recipe, model = request.recipe, request.model
    with run.progress.phase("time a few steps"):
        steps = time_steps(recipe, model, run.device, given=request.calibration is not None)
    used = resolve(recipe, model.input_spec.extent)
    if not run.measuring_counts:
        return resolve(recipe, model.input_spec.extent, seconds=clock.left, steps=steps), 0.0, ()
    labelled = 0 if request.labelled is None else len(request.labelled.images)
    short = too_short(used, clock, steps, labelled=labelled)
    for_tuning = clock.left - measuring_seconds(used, steps, labelled=labelled)
    used = resolve(recipe, model.input_spec.extent, seconds=for_tuning, steps=steps)
    return used, measuring_seconds(used, steps, labelled=labelled) + fresh_seconds(used, steps), short
