"""The report of a file that was measured, and what the run that made it adds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from gdfq_export import __version__
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.jobs.tune_network import TunedNetwork
from gdfq_export.jobs.verify.domain_checks import domain_checks, domain_warnings
from gdfq_export.jobs.verify.measure import MeasureRequest, Verification
from gdfq_export.planning.placement.float_reasons import KEPT, WIDE
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.recipe import Recipe, recipe_sha256
from gdfq_export.report.report import (
    AccuracyOverTime,
    AccuracyPoint,
    Curve,
    Files,
    InputFacts,
    KeptNode,
    MixedBitsFacts,
    NamedInput,
    RecipeFacts,
    Report,
    RuntimeFacts,
)
from gdfq_export.runtimes.choose import Measuring
from gdfq_export.runtimes.environment.machine import this_machine, versions
from gdfq_export.support.curves import Curves
from gdfq_export.support.finding import Finding
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import counted

_AS_SIMULATED = 0.95  # of the outputs, where a runtime adds floats in an order of its own


def report_of(
    model: FloatModel,
    request: MeasureRequest,
    measured: Verification,
    run: RunContext,
    *,
    command: str,
    warnings: Sequence[str],
    findings: Sequence[Finding] | NotMeasured,
) -> Report:
    """What can be said of a file without knowing the run that made it.

    Args:
        model: the float network.
        request: what was measured.
        measured: its sections.
        run: seed, and the seconds of each phase.
        command: `quantize` or `verify`.
        warnings: stand between those of the float network and those of the measurement.
        findings: rules of the runtime that the file breaks.
    """
    files, measuring = (request.float_network, request.quantized), request.measuring
    given = request.evaluation.labelled
    in_domain = domain_checks(model, {} if given is None else {given.source: given.images}, run.progress)
    sections = {field.name: getattr(measured, field.name) for field in dataclasses.fields(measured)}
    return Report(
        command=command,
        tool_version=__version__,
        source=model.source,
        files=Files(
            float_network=files[0].facts,
            quantized=files[1].facts,
            size_ratio=len(files[1].data) / len(files[0].data),
        ),
        input=_input_facts(model),
        recipe=None,
        seed=run.seed,
        calibration=None,
        **sections,
        in_domain=in_domain,
        findings=findings if isinstance(findings, NotMeasured) else tuple(findings),
        seconds_by_phase=dict(run.progress.seconds),
        warnings=(*model.warnings, *warnings, *_measurement_warnings(measured, measuring), *domain_warnings(in_domain)),
        machine=this_machine(),
        versions=versions(),
        runtime=RuntimeFacts(
            name=measuring.target_backend.name,
            measured_in=measuring.measured_on.name,
            reason=measuring.fallback_reason or None,
        ),
    )


def _input_facts(model: FloatModel) -> InputFacts:
    spec, classes = model.input_spec, model.num_classes
    inputs = tuple(
        NamedInput(name=name, shape=each.shape, scale=each.scale, mean=each.mean, std=each.std)
        for name, each in spec.by_name.items()
    )
    if inputs:
        return InputFacts(shape=spec.shape, scale=spec.scale, mean=(), std=(), classes=classes, inputs=inputs)
    return InputFacts(shape=spec.shape, scale=spec.scale, mean=spec.mean, std=spec.std, classes=classes)


def recipe_facts(given: Recipe, used: Recipe) -> RecipeFacts:
    """The recipe as the user gave it, and as it was run."""
    return RecipeFacts(
        name=given.name, target=given.target, sha256=recipe_sha256(given), used=used.model_dump(mode="json")
    )


def curves_of(curves: Curves) -> tuple[Curve, ...]:
    """The figures of phases by step, where there are at least two finite ones."""
    found = []
    for (phase, figure), recorded in curves.by_figure.items():
        points = [(step, value) for step, value in recorded.points if math.isfinite(value)]
        if len(points) > 1:
            steps, values = zip(*points, strict=True)
            found.append(Curve(phase=phase, metric=figure, total_steps=recorded.total, steps=steps, values=values))
    return tuple(found)


def accuracy_over_time_of(tuned: TunedNetwork) -> AccuracyOverTime | None:
    """The figures on held-out images while the network was tuned; None without a time budget."""
    history = tuned.history
    if history is None:
        return None
    points = [
        AccuracyPoint(
            seconds=point.seconds,
            phase=point.phase,
            step=point.step,
            output_error=point.figures.error,
            agreement=point.figures.agreement,
            kept=point.kept,
        )
        for point in history.points
    ]
    return AccuracyOverTime(images=history.images, points=tuple(points))


def kept_nodes_of(plan: QuantPlan) -> tuple[KeptNode, ...]:
    """The nodes that have no integer kernel by the recipe."""
    return tuple(
        KeptNode(node=planned.node, op_type=planned.op_type, reason=planned.reason)
        for planned in plan.nodes
        if planned.reason in (KEPT, WIDE)
    )


def mixed_bits_of(tuned: TunedNetwork) -> MixedBitsFacts | None:
    """What `bits.mixed` came to; None where the recipe does not ask for it."""
    mix = tuned.mix
    if mix is None:
        return None
    return MixedBitsFacts(
        sensitivity=mix.sensitivity,
        raised=mix.raised,
        growth=mix.growth,
        layers=mix.layers,
        operations=mix.operations,
    )


def _measurement_warnings(measured: Verification, measuring: Measuring) -> list[str]:
    """What the measurement itself says that a user should know."""
    found = []
    if measuring.fallback_reason:
        found.append(
            f"{measuring.fallback_reason}: accuracy is that of {measuring.measured_on.title}, speed was not measured"
        )
    if answer := measured.task.constant_answer:
        found.append(
            f"the float network answers {answer} to all {counted(measured.task.images, 'image')} of "
            f"{measured.task.source}, so agreement with it says nothing; check --scale, --mean and --std, or give real "
            "images as --data"
        )
    parity = measured.parity
    if not isinstance(parity, NotMeasured) and not parity.exact:
        found.append(
            f"ONNX Runtime on this machine computes {parity.differing:,} of {parity.elements:,} integers otherwise "
            f"than simulated, first in {parity.first_differing}; trust the figures measured on the file"
        )
    simulation = measured.simulation
    if not isinstance(simulation, NotMeasured) and simulation.top1.value < _AS_SIMULATED:
        found.append(
            f"{measuring.measured_on.title} gives another answer than the simulation on "
            f"{1 - simulation.top1.value:.1%} of {counted(simulation.images, 'image')}; trust "
            "the figures measured on the file"
        )
    return found
