"""Float network in, verified low-bit ONNX out: the whole job on one page."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from calib.samplers import RealSet
from calib.synthetic_set import SyntheticSet
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.assemble_report import accuracy_over_time_of, curves_of, mixed_bits_of, recipe_facts, report_of
from gdfq_export.jobs.image_source import ImageSource
from gdfq_export.jobs.least_time import measuring_seconds
from gdfq_export.jobs.network_file import NetworkFile, in_source_form
from gdfq_export.jobs.provenance import file_metadata
from gdfq_export.jobs.result import Result
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.jobs.time_budget import fresh_seconds, resolve, time_steps, too_short
from gdfq_export.jobs.tune_network import TunedNetwork, tune_network
from gdfq_export.jobs.verify.domain_checks import domain_checks, domain_warnings
from gdfq_export.jobs.verify.measure import EvaluationImages, MeasureRequest, Simulation, Timing, measure
from gdfq_export.lint.check import check
from gdfq_export.metrics.in_domain import InDomain
from gdfq_export.planning.placement import forewarnings, plan_of
from gdfq_export.planning.scaled_hard_swish import with_scaled_channels
from gdfq_export.qdq.writer import write_onnx
from gdfq_export.recipe import Recipe
from gdfq_export.report.gates import decide, require_gates_of_task
from gdfq_export.report.report import BudgetFacts, CalibrationFacts
from gdfq_export.runtimes import BACKENDS
from gdfq_export.runtimes.choose import choose_backend
from gdfq_export.runtimes.environment.computing import computing_on
from gdfq_export.simulator import IntegerSimulator
from gdfq_export.support.clocks.budget_clock import BudgetClock
from gdfq_export.support.curves import Curves
from gdfq_export.targets import find_target
from gdfq_export.tasks.labelled_images import LabelledImages


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeRequest:
    """What to quantize, and what to measure it with.

    Attributes:
        model: the float network.
        recipe: everything that decides what comes out, apart from the network and the seed.
        labelled: real images to score with; nothing is tuned on them.
        calibration: images to use instead of synthesizing; real ones are drawn in an order of the seed's.
        gates: limits by gate name; the report gets a verdict for each, nothing is raised.
        name: of the file, for the report.
    """

    model: FloatModel
    recipe: Recipe
    labelled: LabelledImages | None = None
    calibration: SyntheticSet | RealSet | None = None
    gates: Mapping[str, float | bool] = field(default_factory=dict)
    name: str = "model.onnx"


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
    plan_of(with_scaled_channels(model, target), recipe.target, recipe.bits)  # refuses before any time is spent
    measuring = choose_backend(target, BACKENDS)
    used, clock, short = _within_budget(request, run)
    curves = Curves()
    source = ImageSource(
        model, used, request.calibration, seed=run.seed, device=run.device, progress=progress, curves=curves
    )
    in_domain = _calibration_check(model, request.calibration, run)
    model = with_scaled_channels(source.model, target)
    tuned = tune_network(model, plan_of(model, recipe.target, recipe.bits), used, source, clock)
    metadata = file_metadata(model, recipe, source)
    proto = write_onnx(model.folded, tuned.plan, tuned.encodings, tuned.parameters, metadata)
    proto, notices = in_source_form(proto, model, target)
    fresh = source.draw_fresh(used.verify.agreement_images, "make fresh images")
    measurement = MeasureRequest(
        found_task=model.found_task,
        float_network=NetworkFile.of_float(model),
        quantized=NetworkFile.of(proto, request.name),
        evaluation=EvaluationImages(images=fresh.images.numpy(), source=fresh.name, labelled=request.labelled),
        measuring=measuring,
        simulation=_simulation(
            model,
            tuned,
            *source.fill(fresh, used.verify.parity_images),
            exact=tuned.plan.exact and measuring.is_simulated(target),
        ),
        timing=Timing(seconds=used.verify.latency_seconds, batch=model.file_batch or run.batch),
    )
    measured = measure(measurement, progress)
    warnings = (
        *short,
        *fresh.warnings,
        *tuned.warnings,
        *notices,
        *forewarnings(tuned.plan),
        *domain_warnings(in_domain),
    )
    report = report_of(
        model, measurement, measured, run, command="quantize", warnings=warnings, findings=check(proto, target)
    )
    report = dataclasses.replace(
        report,
        recipe=recipe_facts(recipe, tuned.recipe),
        calibration=CalibrationFacts(source=source.name, images=tuned.images, provenance=source.provenance),
        budget=None if clock is None else BudgetFacts(seconds=clock.seconds, seconds_spent=clock.spent),
        mixed_bits=mixed_bits_of(tuned),
        in_domain=(*in_domain, *report.in_domain),
        curves=curves_of(curves),
        accuracy_over_time=accuracy_over_time_of(tuned),
        computing=computing_on(run.device),
    )
    return Result(
        report=dataclasses.replace(report, gates=decide(report, request.gates)),
        file=measurement.quantized,
        model=model,
        recipe=recipe,
        tuned=tuned,
        run=run,
        method=source.name,
    )


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
        used, reserved, short = _fit(request, run, clock)
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


def _simulation(model: FloatModel, tuned: TunedNetwork, images: Tensor, source: str, *, exact: bool) -> Simulation:
    """The simulation that was tuned, compared on `images` `[N, C, H, W]`."""
    simulator = IntegerSimulator(model.folded, tuned.plan, tuned.encodings, tuned.parameters)
    return Simulation(run=simulator.run, exact=exact, images=images.numpy(), source=source)
