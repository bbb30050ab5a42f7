"""Measure a quantized network against the float network: every section of the report that needs a runtime."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.jobs.network_file import NetworkFile
from gdfq_export.jobs.verify.task_figures import class_accuracy, class_agreement, task_figures
from gdfq_export.metrics.coverage import Coverage, measure_coverage
from gdfq_export.metrics.latency import Latency, time_both
from gdfq_export.metrics.layer_error import LayerErrors, measure_layers
from gdfq_export.metrics.parity import Expected, ParityResult, parity, parity_by_level
from gdfq_export.metrics.resources import Resources, measure_resources
from gdfq_export.metrics.weights import WeightCodes, weight_codes
from gdfq_export.runtimes.base import Images
from gdfq_export.runtimes.choose import Measuring
from gdfq_export.runtimes.environment.machine import usable_cores
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.runtimes.session import Session
from gdfq_export.support.batch_size import batch_size, positions
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.progress import Phase, Progress
from gdfq_export.tasks.classification.accuracy import Accuracy
from gdfq_export.tasks.classification.agreement import Agreement
from gdfq_export.tasks.figures import ComparedOutputs, OutputError, TaskFigures
from gdfq_export.tasks.labelled_images import LabelledImages
from gdfq_export.tasks.output_comparison import compare_outputs
from gdfq_export.tasks.outputs import OutputArrays, joined
from gdfq_export.tasks.registry import FoundTask

_FEWEST_LAYER_IMAGES, _FULL_SIZE = 8, 320 * 320  # of larger images fewer: memory holds every tensor of all
_LAYER_IMAGES, _LAYER_PIXELS = 64, 64 * 64 * 64  # at most, so that large images take no longer than small ones

NO_PAIRS = NotMeasured(
    reason="an engine holds no QuantizeLinear and DequantizeLinear; verify the ONNX file that it was built from"
)
NO_SIMULATION = NotMeasured(reason="this file has no simulation to compare with")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationImages:
    """Images `[N, C, H, W]` to compare outputs on, what they are, and labelled ones where there are any."""

    images: Images
    source: str
    labelled: LabelledImages | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """The integer simulation of a file, and the images to compare it on.

    `exact`: every integer is compared; else the outputs alone, since the runtime adds floats in another order.
    """

    run: Expected
    exact: bool
    images: Images
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The latency measurement: seconds to spend (0: none) beside the warm-up, images per run, runtime threads."""

    seconds: float = 5.0
    batch: int = 1
    threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureRequest:
    """Two networks and how to compare them.

    Attributes:
        found_task: what the outputs of both mean, and why.
        float_network: the reference.
        quantized: the network to measure; an engine where it has no `proto`.
        evaluation: images to compare outputs on.
        measuring: the target's runtime and the one that runs the files here.
        simulation: of the quantized file, or why there is none.
        timing: of the latency measurement.
        resources: whether load time and memory are measured, in a process of their own for each file.
    """

    found_task: FoundTask
    float_network: NetworkFile
    quantized: NetworkFile
    evaluation: EvaluationImages
    measuring: Measuring
    simulation: Simulation | NotMeasured = NO_SIMULATION
    timing: Timing = field(default_factory=Timing)
    resources: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The measured sections, as they stand in `Report`."""

    task: TaskFigures
    accuracy: Accuracy | NotMeasured
    agreement: Agreement | NotMeasured
    parity: ParityResult | NotMeasured
    simulation: Agreement | NotMeasured
    coverage: Coverage | NotMeasured
    latency: Latency | NotMeasured
    layers: LayerErrors | NotMeasured
    weights: tuple[WeightCodes, ...] | NotMeasured
    resources: Resources | NotMeasured


def measure(request: MeasureRequest, progress: Progress) -> Verification:
    """Run both networks, in the order agreement, accuracy, coverage, parity, layers, memory, latency.

    Raises:
        InputError: a file does not load, or its output does not fit the other's or the labels.
        InternalError: the simulation names tensors that the file does not have.
        BackendUnavailable: the runtime or its device is missing.
    """
    return _Measurement(request, progress).run()


class _Measurement:
    """One call of `measure`: both sessions, and a method for each section."""

    def __init__(self, request: MeasureRequest, progress: Progress) -> None:
        self._request = request
        self._progress = progress
        self._backend = request.measuring.measured_on
        self._cores = usable_cores()
        self._float, self._session = self._load(self._cores)

    def run(self) -> Verification:
        evaluation, quantized = self._request.evaluation, self._request.quantized
        with self._progress.phase("agreement") as report:
            fresh = self._compare(evaluation.images, evaluation.source, report)
            agreement = class_agreement(self._request.found_task.task, fresh)
        real = self._real(fresh)
        task = task_figures(self._request.found_task, real or fresh, real_images=real is not None)
        accuracy = class_accuracy(self._request.found_task.task, real)
        with self._progress.phase("coverage"):
            coverage = self._coverage()
        same, simulated, outputs_simulated = self._compare_simulation()
        layers = self._layers()
        resources = self._resources()
        return Verification(
            task=dataclasses.replace(task, simulated=outputs_simulated),
            accuracy=accuracy,
            agreement=agreement,
            parity=same,
            simulation=simulated,
            coverage=coverage,
            layers=layers,
            weights=NO_PAIRS if quantized.qdq is None else weight_codes(quantized.qdq),
            resources=resources,
            latency=self._latency(),
        )

    def _load(self, threads: int) -> tuple[Session, Session]:
        files = self._request.float_network, self._request.quantized
        return self._backend.load(files[0].data, threads), self._backend.load(files[1].data, threads)

    def _run_both(self, images: Images, report: Phase) -> tuple[OutputArrays, OutputArrays]:
        """Outputs of both networks for all images, a piece at a time."""
        pieces: tuple[list[OutputArrays], list[OutputArrays]] = ([], [])
        together = max(session.images_at_a_time(images.shape[1:]) for session in (self._float, self._session))
        for start in range(0, len(images), together):
            piece = images[start : start + together]
            for session, results in zip((self._float, self._session), pieces, strict=True):
                results.append(session.run_all(piece))
            report(start + len(piece), len(images), {})
        return joined(pieces[0]), joined(pieces[1])

    def _compare(self, images: Images, source: str, report: Phase, truth: Any = None) -> ComparedOutputs:
        names = self._session.output_names
        floats, found = self._run_both(images, report)
        return ComparedOutputs(
            images=len(images), names=names, float_network=floats, quantized=found, source=source, truth=truth
        )

    def _real(self, fresh: ComparedOutputs) -> ComparedOutputs | None:
        """Outputs for the real images that were given, which may be the ones that outputs are compared on."""
        given = self._request.evaluation.labelled
        if given is None:
            return None
        with self._progress.phase("accuracy") as report:
            if given.images is self._request.evaluation.images:
                return dataclasses.replace(fresh, source=given.source, truth=given.truth)
            return self._compare(given.images, given.source, report, given.truth)

    def _coverage(self) -> Coverage | NotMeasured:
        measuring, engine = self._request.measuring, self._request.quantized.proto is None
        if not measuring.fallback_reason and not engine:
            return measure_coverage(self._session.describe())
        try:
            if engine:
                return measure_coverage(self._session.describe())
            return measure_coverage(measuring.target_backend.examine(self._request.quantized.data))
        except (BackendUnavailable, InputError) as error:
            return NotMeasured(reason=str(error))

    def _compare_simulation(
        self,
    ) -> tuple[ParityResult | NotMeasured, Agreement | NotMeasured, tuple[OutputError, ...]]:
        """Integer parity with the simulation, or the agreement of outputs where integers are not known to the bit."""
        simulation, file = self._request.simulation, self._request.quantized.qdq
        if isinstance(simulation, NotMeasured):
            return simulation, simulation, ()
        if simulation.exact and file is not None:
            with self._progress.phase("parity") as report:
                same = parity(
                    file,
                    simulation.run,
                    simulation.images,
                    batch_size(simulation.images.shape[1:]),
                    source=simulation.source,
                    backend=self._backend,
                    on_step=report,
                )
                levels = parity_by_level(file, simulation.run, simulation.images, self._backend)
            return dataclasses.replace(same, levels=levels), NotMeasured(reason="every integer is compared"), ()
        evaluation = self._request.evaluation
        with self._progress.phase("simulation") as report:
            names = self._session.output_names
            compared = ComparedOutputs(
                images=len(evaluation.images),
                names=names,
                float_network=_simulate(simulation.run, names, evaluation.images, report),
                quantized=self._session.run_all(evaluation.images),
                source=evaluation.source,
            )
            agreement = class_agreement(self._request.found_task.task, compared)
        runtime = self._request.measuring.target_backend.title
        reason = (
            f"{runtime} adds floats in an order of its own, which may move an integer by "
            "one; outputs are compared with the simulated ones instead, so leave out require-parity"
        )
        return NotMeasured(reason=reason), agreement, compare_outputs(compared)

    def _layers(self) -> LayerErrors | NotMeasured:
        """Layer by layer where the runtime shows inner tensors."""
        files = self._request.float_network.proto, self._request.quantized.qdq
        if files[0] is None or files[1] is None:
            return NO_PAIRS
        images, source = self._request.evaluation.images, self._request.evaluation.source
        pixels = positions(images.shape[1:])
        fewest = max(1, min(_FEWEST_LAYER_IMAGES, _FEWEST_LAYER_IMAGES * _FULL_SIZE // pixels))
        count = max(fewest, min(_LAYER_IMAGES, _LAYER_PIXELS // pixels))
        with self._progress.phase("layers") as report:
            try:
                return measure_layers(
                    files[0],
                    files[1],
                    images[:count],
                    source,
                    float_backend=OnnxRuntime(),
                    backend=self._backend,
                    threads=self._cores,
                    on_step=report,
                )
            except InputError as error:
                return NotMeasured(reason=str(error))

    def _resources(self) -> Resources | NotMeasured:
        request = self._request
        if request.measuring.fallback_reason:
            return NotMeasured(reason=request.measuring.fallback_reason)
        if not request.resources:
            return NotMeasured(reason="gdfq-export verify measures load time and memory")
        files, shape = (request.float_network.data, request.quantized.data), request.evaluation.images.shape[1:]
        with self._progress.phase("memory"):
            return measure_resources(self._backend, *files, tuple(shape), request.timing.batch)

    def _latency(self) -> Latency | NotMeasured:
        timing, evaluation = self._request.timing, self._request.evaluation
        if self._request.measuring.fallback_reason:
            return NotMeasured(reason=self._request.measuring.fallback_reason)
        if timing.seconds <= 0:
            return NotMeasured(reason="no time was given to it; give --latency-seconds")
        del self._float, self._session
        with self._progress.phase("latency"):
            both, images = self._load(timing.threads), evaluation.images[: timing.batch]
            return time_both(*both, images, evaluation.source, seconds=timing.seconds, threads=timing.threads)


def _simulate(expected: Expected, names: Sequence[str], images: Images, report: Phase) -> OutputArrays:
    """Simulated outputs of all images."""
    parts, batch = [], batch_size(images.shape[1:])
    for start in range(0, len(images), batch):
        piece = images[start : start + batch]
        simulated = expected(piece)
        parts.append([simulated[name] for name in names])
        report(start + len(piece), len(images), {})
    return joined(parts)
