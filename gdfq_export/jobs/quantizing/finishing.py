"""What comes after tuning: the file is written in memory and measured, and a report made of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from torch import Tensor

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.assemble_report import (
    accuracy_over_time_of,
    curves_of,
    kept_nodes_of,
    mixed_bits_of,
    recipe_facts,
    report_of,
)
from gdfq_export.jobs.image_source import Draw, ImageSource
from gdfq_export.jobs.network_file import NetworkFile, in_source_form
from gdfq_export.jobs.provenance import file_metadata
from gdfq_export.jobs.quantizing.request import QuantizeRequest
from gdfq_export.jobs.result import Result
from gdfq_export.jobs.resume.continued import part_of_run
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.jobs.tune_network import ChosenPrecision, TunedNetwork, with_precision
from gdfq_export.jobs.verify.domain_checks import domain_warnings
from gdfq_export.jobs.verify.measure import EvaluationImages, MeasureRequest, Simulation, Timing, measure
from gdfq_export.lint.check import check
from gdfq_export.metrics.in_domain import InDomain
from gdfq_export.planning.placement import forewarnings
from gdfq_export.qdq.writer import write_onnx
from gdfq_export.recipe import Verify
from gdfq_export.report.gates import decide
from gdfq_export.report.report import BudgetFacts, CalibrationFacts
from gdfq_export.runtimes import BACKENDS
from gdfq_export.runtimes.choose import choose_backend
from gdfq_export.runtimes.environment.computing import computing_on
from gdfq_export.simulator import IntegerSimulator
from gdfq_export.support.clocks.budget_clock import BudgetClock
from gdfq_export.support.curves import Curves
from gdfq_export.targets import find_target


@dataclass(frozen=True, slots=True, kw_only=True)
class Finishing:
    """What comes after tuning: write, measure, report.

    Attributes:
        request: what is quantized.
        run: how the job runs.
        source: of the images.
        clock: of a run with a time budget.
        verify: sizes of the measurements.
        fresh: images that nothing was tuned on.
        curves: figures of the phases so far.
        warnings: of what came before tuning.
        in_domain: of the calibration images.
    """

    request: QuantizeRequest
    run: RunContext
    source: ImageSource
    clock: BudgetClock | None
    verify: Verify
    fresh: Draw
    curves: Curves
    warnings: tuple[str, ...]
    in_domain: tuple[InDomain, ...]

    def tuned_again(self, chosen: ChosenPrecision, floats: frozenset[str], attempt: int) -> Result:
        """The result with these nodes float, tuned on the images that precision was chosen on."""
        with part_of_run(self.run.progress, f"attempt {attempt}"):
            return self.result(with_precision(chosen, floats, self.clock))

    def result(self, tuned: TunedNetwork) -> Result:
        """Write the file in memory and measure it."""
        request, model, source, clock = self.request, tuned.model, self.source, self.clock
        recipe, target = request.recipe, find_target(request.recipe.target)
        metadata = file_metadata(model, recipe, source)
        proto = write_onnx(model.folded, tuned.plan, tuned.encodings, tuned.parameters, metadata)
        proto, notices = in_source_form(proto, model, target)
        measuring = choose_backend(target, BACKENDS)
        measurement = MeasureRequest(
            found_task=model.found_task,
            float_network=NetworkFile.of_float(model),
            quantized=NetworkFile.of(proto, request.name),
            evaluation=EvaluationImages(
                images=self.fresh.images.numpy(), source=self.fresh.name, labelled=request.labelled
            ),
            measuring=measuring,
            simulation=_simulation(
                model,
                tuned,
                *source.fill(self.fresh, self.verify.parity_images),
                exact=tuned.plan.exact and measuring.is_simulated(target),
            ),
            timing=Timing(seconds=self.verify.latency_seconds, batch=model.file_batch or self.run.batch),
        )
        measured = measure(measurement, self.run.progress)
        warnings = (
            *self.warnings,
            *self.fresh.warnings,
            *tuned.warnings,
            *notices,
            *forewarnings(tuned.plan),
            *domain_warnings(self.in_domain),
        )
        report = report_of(
            model, measurement, measured, self.run, command="quantize", warnings=warnings, findings=check(proto, target)
        )
        report = dataclasses.replace(
            report,
            recipe=recipe_facts(recipe, tuned.recipe),
            calibration=CalibrationFacts(source=source.name, images=tuned.images, provenance=source.provenance),
            budget=None if clock is None else BudgetFacts(seconds=clock.seconds, seconds_spent=clock.spent),
            mixed_bits=mixed_bits_of(tuned),
            kept=kept_nodes_of(tuned.plan),
            in_domain=(*self.in_domain, *report.in_domain),
            curves=curves_of(self.curves),
            accuracy_over_time=accuracy_over_time_of(tuned),
            computing=computing_on(self.run.device),
        )
        return Result(
            report=dataclasses.replace(report, gates=decide(report, request.gates)),
            file=measurement.quantized,
            model=model,
            recipe=recipe,
            tuned=tuned,
            run=self.run,
            method=source.name,
        )


def _simulation(model: FloatModel, tuned: TunedNetwork, images: Tensor, source: str, *, exact: bool) -> Simulation:
    """The simulation that was tuned, compared on `images` `[N, C, H, W]`."""
    simulator = IntegerSimulator(model.folded, tuned.plan, tuned.encodings, tuned.parameters)
    return Simulation(run=simulator.run, exact=exact, images=images.numpy(), source=source)
