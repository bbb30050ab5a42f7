"""What the report says of a run: its files, its recipe as it was run, its images, and what was measured."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

from gdfq_export import __version__
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.image_source import ImageSource
from gdfq_export.jobs.time_budget import TimeBudget
from gdfq_export.jobs.tune_network import TunedNetwork
from gdfq_export.jobs.verify.measure_onnx import Verification
from gdfq_export.planning.placement import forewarnings
from gdfq_export.recipe import Recipe, recipe_sha256
from gdfq_export.report.report import (
    BudgetFacts,
    CalibrationFacts,
    Curve,
    FileFacts,
    Files,
    InputFacts,
    MixedBitsFacts,
    RecipeFacts,
    Report,
    RuntimeFacts,
)
from gdfq_export.report.target_choice import TargetChoice
from gdfq_export.runtimes.choose import Measuring
from gdfq_export.runtimes.environment.machine import this_machine, versions
from gdfq_export.support.curves import Curves
from gdfq_export.support.finding import Finding
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.progress import Progress
from gdfq_export.support.text import counted

__all__ = ["report_file", "report_run"]

_AS_SIMULATED = 0.95  # of the answers, where a runtime adds floats in an order of its own


def report_run(
    model: FloatModel,
    recipe: Recipe,
    source: ImageSource,
    tuned: TunedNetwork,
    measured: Verification,
    *,
    name: str,
    float_file: bytes,
    file: bytes,
    clock: TimeBudget | None,
    progress: Progress,
    measuring: Measuring,
    choice: TargetChoice | None,
    curves: Curves,
    image_warnings: Sequence[str],
    findings: Sequence[Finding],
) -> Report:
    """Put the report together.

    Args:
        model: the float network.
        recipe: as the user gave it.
        source: of the images.
        tuned: what was written.
        measured: on the file.
        name: of the file, without its folder.
        float_file: the float network, serialized.
        file: the quantized one.
        clock: of a run with a budget.
        progress: that counted the seconds.
        measuring: the runtimes.
        choice: how the target was chosen, if it was.
        curves: of the figures of making images and tuning.
        image_warnings: what the user should know of the images.
        findings: rules of the runtime that the file breaks.
    """
    report = report_file(
        model,
        measured,
        command="quantize",
        name=name,
        float_file=float_file,
        file=file,
        seed=source.seed,
        progress=progress,
        measuring=measuring,
        findings=findings,
        warnings=(*image_warnings, *tuned.warnings, *forewarnings(tuned.plan)),
    )
    return dataclasses.replace(
        report,
        recipe=RecipeFacts(
            name=recipe.name,
            target=recipe.target,
            sha256=recipe_sha256(recipe),
            used=tuned.recipe.model_dump(mode="json"),
        ),
        calibration=CalibrationFacts(source=source.name, images=tuned.images, provenance=source.provenance),
        budget=None if clock is None else BudgetFacts(seconds=clock.seconds, spent=clock.seconds - clock.left),
        mixed_bits=_mixed_bits(tuned),
        target_choice=choice,
        curves=_curves(curves),
    )


def report_file(
    model: FloatModel,
    measured: Verification,
    *,
    command: str,
    name: str,
    float_file: bytes,
    file: bytes,
    seed: int,
    progress: Progress,
    measuring: Measuring,
    findings: Sequence[Finding] | NotMeasured,
    warnings: Sequence[str],
) -> Report:
    """What can be said of a file without knowing the run that made it; the arguments are those of `report_run`.

    `warnings` stand between those of the float network and those of the measurement.
    """
    return Report(
        command=command,
        tool_version=__version__,
        source=model.source,
        files=Files(
            float_network=_file_facts(_float_name(model), float_file),
            quantized=_file_facts(name, file),
            size_ratio=len(file) / len(float_file),
        ),
        input=_input_facts(model),
        recipe=None,
        seed=seed,
        calibration=None,
        accuracy=measured.accuracy,
        agreement=measured.agreement,
        parity=measured.parity,
        simulation=measured.simulation,
        coverage=measured.coverage,
        latency=measured.latency,
        layers=measured.layers,
        weights=measured.weights,
        resources=measured.resources,
        findings=findings if isinstance(findings, NotMeasured) else tuple(findings),
        seconds_by_phase=dict(progress.seconds),
        warnings=(*model.warnings, *warnings, *_measurement_warnings(measured, measuring)),
        machine=this_machine(),
        versions=versions(),
        runtime=RuntimeFacts(
            name=measuring.own.name, measured_in=measuring.backend.name, reason=measuring.away or None
        ),
    )


def _input_facts(model: FloatModel) -> InputFacts:
    """What an image of the network is."""
    spec = model.input_spec
    return InputFacts(shape=spec.shape, scale=spec.scale, mean=spec.mean, std=spec.std, classes=model.num_classes)


def _curves(curves: Curves) -> tuple[Curve, ...]:
    found = []
    for (phase, figure), recorded in curves.by_figure.items():
        points = [(step, value) for step, value in recorded.points if math.isfinite(value)]
        if len(points) > 1:
            steps, values = zip(*points, strict=True)
            found.append(Curve(phase=phase, figure=figure, total=recorded.total, steps=steps, values=values))
    return tuple(found)


def _mixed_bits(tuned: TunedNetwork) -> MixedBitsFacts | None:
    mix = tuned.mix
    if mix is None:
        return None
    return MixedBitsFacts(sensitivity=mix.sensitivity, raised=mix.raised, growth=mix.growth)


def _measurement_warnings(measured: Verification, measuring: Measuring) -> list[str]:
    """What the measurement itself says that a user should know."""
    found = []
    if measuring.away:
        found.append(f"{measuring.away}: accuracy is that of {measuring.backend.title}, speed was not measured")
    parity = measured.parity
    if not isinstance(parity, NotMeasured) and not parity.exact:
        found.append(
            f"ONNX Runtime on this machine computes {parity.differing:,} of {parity.elements:,} integers otherwise "
            f"than simulated, first in {parity.first_differing}; trust the figures measured on the file"
        )
    simulation = measured.simulation
    if not isinstance(simulation, NotMeasured) and simulation.top1.value < _AS_SIMULATED:
        found.append(
            f"{measuring.backend.title} gives another answer than the simulation on {1 - simulation.top1.value:.1%} of "
            f"{counted(simulation.images, 'image')}; trust the figures measured on the file"
        )
    return found


def _float_name(model: FloatModel) -> str:
    """The file's own name where there is one; else the network's, whose ONNX file is made in memory."""
    path = Path(model.source)
    return path.name if path.suffix == ".onnx" else model.name


def _file_facts(name: str, data: bytes) -> FileFacts:
    """Size and hash of a file's bytes."""
    return FileFacts(name=name, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
