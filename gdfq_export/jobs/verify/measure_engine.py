"""Measure a built engine against the float network: answers, layers, time, memory; an engine holds no more than that.

Both networks are engines here, so that neither is paid for being built and the float one is tuned for the same batch.
"""

from __future__ import annotations

from gdfq_export.errors import BackendUnavailable
from gdfq_export.jobs.verify.measure_onnx import Verification, run_both
from gdfq_export.metrics.coverage import Coverage, measure_coverage
from gdfq_export.metrics.latency import Latency, time_both
from gdfq_export.metrics.resources import measure_resources
from gdfq_export.runtimes.base import Backend, Images, Session
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.progress import Progress
from gdfq_export.tasks.classification.accuracy import Accuracy, LabelledImages, measure_accuracy
from gdfq_export.tasks.classification.agreement import measure_agreement

__all__ = ["NO_PAIRS", "run_engine_verification"]

NO_PAIRS = NotMeasured(
    reason="an engine holds no QuantizeLinear and DequantizeLinear; verify the ONNX file that it was built from"
)


def run_engine_verification(
    float_engine: bytes,
    engine: bytes,
    *,
    backend: Backend,
    images: Images,
    source: str,
    probabilities: bool,
    labelled: LabelledImages | None,
    latency_seconds: float,
    batch: int,
    progress: Progress,
) -> Verification:
    """Run both engines on `images` `[N, C, H, W]` from `source`, and on the labelled images where there are any.

    Args:
        float_engine: of the float network.
        engine: the one to judge.
        backend: the runtime of both.
        images: to compare answers on.
        source: what they are.
        probabilities: whether the networks end in a softmax.
        labelled: images to score with.
        latency_seconds: spent on timing; 0: none.
        batch: images of a timed run.
        progress: where phases report themselves.

    Raises:
        InputError: an engine does not take these images, or not `batch` of them at once.
        BackendUnavailable: this GPU does not run an engine.
    """
    both = backend.load(float_engine, 1), backend.load(engine, 1)
    latency: Latency | NotMeasured = NotMeasured(reason="the latency budget is 0 seconds")
    if latency_seconds > 0:
        with progress.phase("latency"):
            latency = time_both(*both, images[:batch], source, seconds=latency_seconds, threads=1)
    with progress.phase("agreement") as report:
        float_logits, logits = run_both(*both, images, report)
        agreement = measure_agreement(float_logits, logits, source, probabilities=probabilities)
    accuracy: Accuracy | NotMeasured = NotMeasured(reason="no labelled images were given")
    if labelled is not None:
        with progress.phase("accuracy") as report:
            if labelled.images is not images:
                float_logits, logits = run_both(*both, labelled.images, report)
            accuracy = measure_accuracy(float_logits, logits, labelled.labels, labelled.source)
    with progress.phase("coverage"):
        coverage = _coverage(both[1])
    with progress.phase("memory"):
        resources = measure_resources(backend, float_engine, engine, images.shape[1:], batch)
    return Verification(
        accuracy=accuracy,
        agreement=agreement,
        parity=NO_PAIRS,
        simulation=NO_PAIRS,
        coverage=coverage,
        latency=latency,
        layers=NO_PAIRS,
        weights=NO_PAIRS,
        resources=resources,
    )


def _coverage(session: Session) -> Coverage | NotMeasured:
    try:
        return measure_coverage(session.describe())
    except BackendUnavailable as error:
        return NotMeasured(reason=str(error))
