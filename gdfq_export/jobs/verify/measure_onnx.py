"""Measure a quantized file against the float network it came from: all sections of the report that need a runtime."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.metrics.coverage import Coverage, measure_coverage
from gdfq_export.metrics.latency import Latency, time_both
from gdfq_export.metrics.layer_error import LayerErrors, measure_layers
from gdfq_export.metrics.parity import Expected, ParityResult, parity
from gdfq_export.metrics.resources import Resources, measure_resources
from gdfq_export.metrics.weights import WeightCodes, weight_codes
from gdfq_export.runtimes.base import Backend, Images, Output, Session
from gdfq_export.runtimes.environment.machine import usable_cores
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.progress import Phase, Progress, SilentProgress
from gdfq_export.tasks.classification.accuracy import Accuracy, LabelledImages, measure_accuracy
from gdfq_export.tasks.classification.agreement import Agreement, measure_agreement

__all__ = ["Verification", "ends_in_softmax", "run_both", "run_verification"]

_PARITY_BATCH = 32
_PIECE = 256
_NO_LABELS = (
    "no labelled images were given; name them with --data, an .npz with images and labels or a folder with labels.csv"
)
_LAYER_IMAGES, _LAYER_PIXELS = 64, 64 * 64 * 64  # at most, so that large images take no longer than small ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The measured sections, ready for `Report`."""

    accuracy: Accuracy | NotMeasured
    agreement: Agreement
    parity: ParityResult | NotMeasured
    simulation: Agreement | NotMeasured
    coverage: Coverage | NotMeasured
    latency: Latency | NotMeasured
    layers: LayerErrors | NotMeasured
    weights: tuple[WeightCodes, ...] | NotMeasured
    resources: Resources | NotMeasured


def run_verification(
    float_model: bytes,
    quantized: bytes,
    *,
    images: Images,
    source: str,
    expected: Expected | None = None,
    unsimulated: str = "",
    exact: bool = True,
    parity_images: Images | None = None,
    parity_source: str | None = None,
    labelled: LabelledImages | None = None,
    latency_seconds: float,
    resources: bool = False,
    threads: int = 1,
    batch: int = 1,
    progress: Progress | None = None,
    backend: Backend | None = None,
    own: Backend | None = None,
    away: str = "",
) -> Verification:
    """Run both files on `images` `[N, C, H, W]` from `source`, and on the labelled images where there are any.

    `expected` simulates the quantized file (see `parity`) on `parity_images` from `parity_source`, which default to
    `images` and `source`; `unsimulated` says why there is none. Where the runtime's integers are not known to the bit
    (`exact` is false), only its logits are compared with the simulated ones, on `images`. Where the runtime that the
    file is made for, `own`, cannot run here (`away` says why), it is asked what it would run as what, and no time is
    taken. `threads` and `batch` are those of the latency measurement, which takes `latency_seconds` (0: none) beside
    its warm-up; scoring uses every core. With `resources`, load time and memory are measured, a process each.

    Raises:
        InputError: a file does not load, or its output does not fit the other's or the labels.
        InternalError: the simulation names tensors the file does not have.
    """
    progress = progress or SilentProgress()
    backend = backend or OnnxRuntime()
    cores = usable_cores()
    float_session, session = backend.load(float_model, cores), backend.load(quantized, cores)
    softmax = ends_in_softmax(float_model)

    with progress.phase("agreement") as report:
        float_logits, logits = run_both(float_session, session, images, report)
        agreement = measure_agreement(float_logits, logits, source, probabilities=softmax)

    accuracy: Accuracy | NotMeasured = NotMeasured(reason=_NO_LABELS)
    if labelled is not None:
        with progress.phase("accuracy") as report:
            if labelled.images is not images:
                float_logits, logits = run_both(float_session, session, labelled.images, report)
            accuracy = measure_accuracy(float_logits, logits, labelled.labels, labelled.source)

    with progress.phase("coverage"):
        coverage = measure_coverage(session.describe()) if not away else _examined(own or backend, quantized)

    alone = NotMeasured(reason=unsimulated or "this file has no simulation to compare with")
    same: ParityResult | NotMeasured = alone
    simulation: Agreement | NotMeasured = alone
    if expected is not None and exact:
        simulation = NotMeasured(reason="every integer is compared")
        with progress.phase("parity") as report:
            proto = onnx.load_from_string(quantized)
            chosen = images if parity_images is None else parity_images
            same = parity(
                proto, expected, chosen, _PARITY_BATCH, source=parity_source or source, backend=backend, on_step=report
            )
    elif expected is not None:
        same = NotMeasured(
            reason=f"{(own or backend).title} adds floats in an order of its own, which may move an integer by one; "
            "answers are compared with the simulated ones instead, so leave out require-parity"
        )
        with progress.phase("simulation") as report:
            simulated = _simulate(expected, session.output_names[0], images, report)
            simulation = measure_agreement(simulated, session.run(images), source, probabilities=softmax)

    with progress.phase("layers") as report:
        few = images[: max(8, min(_LAYER_IMAGES, _LAYER_PIXELS // (images.shape[2] * images.shape[3])))]
        layers = _layers(float_model, quantized, few, source, backend, cores, report)

    used: Resources | NotMeasured = NotMeasured(reason="gdfq-export verify measures load time and memory")
    if away:
        used = NotMeasured(reason=away)
    elif resources:
        with progress.phase("memory"):
            used = measure_resources(backend, float_model, quantized, images.shape[1:], batch)

    latency: Latency | NotMeasured = NotMeasured(reason="no time was given to it; give --latency-seconds")
    if away:
        latency = NotMeasured(reason=away)
    elif latency_seconds > 0:
        del float_session, session
        with progress.phase("latency"):
            both = backend.load(float_model, threads), backend.load(quantized, threads)
            latency = time_both(*both, images[:batch], source, seconds=latency_seconds, threads=threads)
    return Verification(
        accuracy=accuracy,
        agreement=agreement,
        parity=same,
        simulation=simulation,
        coverage=coverage,
        latency=latency,
        layers=layers,
        weights=weight_codes(onnx.load_from_string(quantized)),
        resources=used,
    )


def _layers(
    float_model: bytes, quantized: bytes, images: Images, source: str, backend: Backend, threads: int, report: Phase
) -> LayerErrors | NotMeasured:
    """Layer by layer where the runtime shows inner tensors."""
    try:
        return measure_layers(
            onnx.load_from_string(float_model),
            onnx.load_from_string(quantized),
            images,
            source,
            float_backend=OnnxRuntime(),
            backend=backend,
            threads=threads,
            on_step=report,
        )
    except InputError as error:
        return NotMeasured(reason=str(error))


def _examined(own: Backend, quantized: bytes) -> Coverage | NotMeasured:
    try:
        return measure_coverage(own.examine(quantized))
    except (BackendUnavailable, InputError) as error:
        return NotMeasured(reason=str(error))


def run_both(first: Session, second: Session, images: Images, report: Phase) -> tuple[Output, Output]:
    """Logits of both networks for all images, a piece at a time so that progress can be shown."""
    left, right = [], []
    for start in range(0, len(images), _PIECE):
        piece = images[start : start + _PIECE]
        left.append(first.run(piece))
        right.append(second.run(piece))
        report(start + len(piece), len(images), {})
    return np.concatenate(left), np.concatenate(right)


def _simulate(expected: Expected, logits: str, images: Images, report: Phase) -> Output:
    """Simulated logits of all images."""
    parts = []
    for start in range(0, len(images), _PARITY_BATCH):
        piece = images[start : start + _PARITY_BATCH]
        parts.append(expected(piece)[logits])
        report(start + len(piece), len(images), {})
    return np.concatenate(parts)


def ends_in_softmax(model: bytes) -> bool:
    """Whether a network answers with probabilities."""
    graph = onnx.load_from_string(model).graph
    return any(node.op_type == "Softmax" and graph.output[0].name in node.output for node in graph.node)
