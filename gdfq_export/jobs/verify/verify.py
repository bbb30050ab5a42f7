"""Measure a file that is already there, of any tool, or a built engine, against its float network."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import onnx

from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.passes.acceptance import not_quantized
from gdfq_export.jobs.assemble_report import report_of
from gdfq_export.jobs.network_file import NetworkFile
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.jobs.verify.evaluation_data import EvaluationData, evaluation_images
from gdfq_export.jobs.verify.measure import (
    NO_PAIRS,
    EvaluationImages,
    MeasureRequest,
    Simulation,
    Timing,
    measure,
)
from gdfq_export.jobs.verify.other_cpus import OtherCpus, differing_warnings, figures_by_cpu
from gdfq_export.jobs.verify.plausibility import (
    preprocessing_of_file,
    require_engine_fits,
    require_file_fits,
    warn_of_accuracy,
    warn_of_other_network,
)
from gdfq_export.jobs.verify.subject import Subject
from gdfq_export.lint.check import check
from gdfq_export.qdq.read_back import read_back
from gdfq_export.qdq.reader.float_ends import with_float_ends
from gdfq_export.report.baseline import Baseline
from gdfq_export.report.gates import decide, require_gates_of_task
from gdfq_export.report.regressions import regressions, require_regressions_of_task
from gdfq_export.report.report import Report
from gdfq_export.runtimes import BACKENDS
from gdfq_export.runtimes.choose import Measuring, choose_backend
from gdfq_export.runtimes.emulation.process import REQUEST_SECONDS
from gdfq_export.runtimes.tensorrt import build_engine, require_runs_here
from gdfq_export.support.batch_size import positions
from gdfq_export.support.named_bytes import NamedBytes
from gdfq_export.support.not_measured import NotMeasured

_LARGE = 128 * 128  # pixels from which simulating an image takes a second
_PARITY_IMAGES, _PARITY_IMAGES_LARGE = 256, 8
_ENGINE_BATCH = 64  # of the float network's engine, where the timed batch is smaller


@dataclass(frozen=True, slots=True, kw_only=True)
class Gating:
    """Limits on a report's figures.

    Attributes:
        limits: limit by gate name (`gdfq_export.gates`), for instance `{"max-top1-drop-pp": 1.0}`.
        baseline: an earlier report, as `read_baseline` returns it.
        allowed: how much worse than the baseline each figure may be.
    """

    limits: Mapping[str, float | bool] = field(default_factory=dict)
    baseline: Baseline | None = None
    allowed: Mapping[str, float] = field(default_factory=dict)

    def decided(self, report: Report) -> Report:
        """The report with a verdict for each gate."""
        gates = decide(report, self.limits)
        if self.baseline is not None:
            gates += regressions(report, self.baseline, self.allowed)
        return dataclasses.replace(report, gates=gates)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """How a file is measured.

    Attributes:
        target: whose rules are checked; None: the file's own.
        backend: runtime to measure in; None: the file's own.
        public_key: PEM file; a bundle must be signed by the private key that belongs to it.
        timing: of the latency measurement.
        cpu_images: how many images each emulated CPU runs.
        cpu_seconds: that an emulated CPU may take for one batch of at most 8 images before it is ended.
    """

    target: str | None = None
    backend: str | None = None
    public_key: Path | None = None
    timing: Timing = field(default_factory=Timing)
    cpu_images: int = 8
    cpu_seconds: float = REQUEST_SECONDS


def verify(
    model: FloatModel,
    subject: Subject,
    run: RunContext,
    *,
    data: EvaluationData,
    timing: Timing,
    gating: Gating,
    cpus: OtherCpus | None = None,
) -> Report:
    """Measure everything that can be measured of `subject`, and decide the gates.

    Args:
        model: the float network, the reference.
        subject: the file or engine to measure (`find_subject`).
        run: seed of images that are synthesized, progress.
        data: images to evaluate on.
        timing: of the latency measurement.
        gating: limits on the figures.
        cpus: CPUs to run the file on besides (`other_cpus`).

    Raises:
        InputError: the file does not load, or does not belong to the float network.
        BackendUnavailable: the target's runtime is not installed, or no GPU here runs the engine.
    """
    require_gates_of_task(gating.limits, model.task.name, model.source)
    require_regressions_of_task(gating.allowed, model.task.name, model.source)
    if subject.engine is not None:
        report = _verify_engine(model, subject, run, data, timing)
    else:
        report = _verify_file(model, subject, run, data, timing, cpus)
    left_out = (subject.left_out,) if subject.left_out else ()
    report = dataclasses.replace(report, warnings=(*report.warnings, *left_out))
    return Gating(limits={**subject.always, **gating.limits}, baseline=gating.baseline, allowed=gating.allowed).decided(
        report
    )


def _verify_file(
    model: FloatModel,
    subject: Subject,
    run: RunContext,
    data: EvaluationData,
    timing: Timing,
    cpus: OtherCpus | None,
) -> Report:
    proto = subject.proto
    assert proto is not None
    measuring = choose_backend(subject.target, BACKENDS)
    require_file_fits(model, proto, subject.name)
    own, (proto, ends) = proto, with_float_ends(proto, subject.name)
    evaluation, warnings = evaluation_images(model, data, run)
    request = MeasureRequest(
        found_task=model.found_task,
        float_network=NetworkFile.of_float(model),
        quantized=NetworkFile.of(proto, subject.name),
        evaluation=evaluation,
        measuring=measuring,
        simulation=_simulation(proto, evaluation, exact=measuring.is_simulated(subject.target)),
        timing=timing,
        resources=True,
    )
    measured = measure(request, run.progress)
    by_cpu = () if cpus is None else figures_by_cpu(request, measured, cpus, run.progress)
    with run.progress.phase("rules"):
        findings = (*check(own, subject.target), *preprocessing_of_file(model, proto, measured))
    notes = (
        *not_quantized(proto, subject.name),
        *ends,
        *warnings,
        *warn_of_other_network(measured, model, proto, subject.name),
        *warn_of_accuracy(measured, model),
        *differing_warnings(by_cpu),
    )
    report = report_of(model, request, measured, run, command="verify", warnings=notes, findings=findings)
    return dataclasses.replace(report, cpus=by_cpu)


def _verify_engine(
    model: FloatModel, subject: Subject, run: RunContext, data: EvaluationData, timing: Timing
) -> Report:
    """Both networks are engines here, so that the float one is built for the same batch."""
    engine = subject.engine
    assert engine is not None
    require_runs_here(engine)
    backend = BACKENDS[subject.target.backend]
    require_engine_fits(model, backend.load(NamedBytes(engine.data, subject.name), 1), subject.name)
    evaluation, warnings = evaluation_images(model, data, run)
    float_file = NetworkFile.of_float(model)
    batches = (1, timing.batch, max(timing.batch, _ENGINE_BATCH))
    with run.progress.phase("build the float engine"):
        float_engine = build_engine(float_file.data, batches=batches, package=engine.package)
    request = MeasureRequest(
        found_task=model.found_task,
        float_network=dataclasses.replace(float_file, data=float_engine.data),
        quantized=NetworkFile(name=subject.name, data=engine.data),
        evaluation=evaluation,
        measuring=Measuring(target_backend=backend, measured_on=backend),
        simulation=NO_PAIRS,
        timing=dataclasses.replace(timing, threads=1),
        resources=True,
    )
    measured = measure(request, run.progress)
    notes = (*warnings, *warn_of_accuracy(measured, model))
    request = dataclasses.replace(request, float_network=float_file)
    return report_of(model, request, measured, run, command="verify", warnings=notes, findings=NO_PAIRS)


def _simulation(proto: onnx.ModelProto, evaluation: EvaluationImages, *, exact: bool) -> Simulation | NotMeasured:
    """The exact simulation of the file, or why there is none."""
    try:
        simulator = read_back(proto)
    except InputError as error:
        return NotMeasured(reason=str(error))
    images = evaluation.images
    large = positions(images.shape[1:]) >= _LARGE
    return Simulation(
        run=simulator.run,
        exact=exact,
        images=images[: _PARITY_IMAGES_LARGE if large else _PARITY_IMAGES],
        source=evaluation.source,
    )
