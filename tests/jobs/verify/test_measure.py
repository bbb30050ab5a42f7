from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gdfq_export.errors import InputError
from gdfq_export.jobs.network_file import NetworkFile
from gdfq_export.jobs.verify.measure import (
    EvaluationImages,
    MeasureRequest,
    Simulation,
    Timing,
    Verification,
    measure,
)
from gdfq_export.metrics.latency import Latency
from gdfq_export.metrics.layer_error import LayerErrors
from gdfq_export.metrics.parity import ParityResult
from gdfq_export.runtimes.choose import Measuring
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.progress import SilentProgress
from gdfq_export.tasks.classification.accuracy import Accuracy
from gdfq_export.tasks.classification.agreement import Agreement
from gdfq_export.tasks.classification.task import Classification
from gdfq_export.tasks.labelled_images import LabelledImages
from gdfq_export.tasks.registry import FoundTask
from tests import tiny_graph
from tests.jobs.verify.quantized_classifier import classifier, images

TASK = FoundTask(task=Classification(classes=4, compared=("logits",)), reason="asked for")
HERE = Measuring(target_backend=OnnxRuntime(), measured_on=OnnxRuntime())


def files() -> dict[str, NetworkFile]:
    network = classifier()
    return {
        "float_network": NetworkFile.of(network.float_network(), "float.onnx"),
        "quantized": NetworkFile.of(network.quantized(), "q.onnx"),
    }


def test_every_section_is_measured() -> None:
    network, progress, pictures = classifier(), SilentProgress(), images(300)
    labels = network.integers(pictures)["logits"].argmax(axis=1)
    request = MeasureRequest(
        found_task=TASK,
        **files(),
        evaluation=EvaluationImages(
            images=pictures,
            source="noise",
            labelled=LabelledImages(images=pictures, truth=labels, source="answers"),
        ),
        measuring=HERE,
        simulation=Simulation(run=network.integers, exact=True, images=pictures[:40], source="noise"),
        timing=Timing(seconds=0.01),
    )
    result = measure(request, progress)
    assert result.agreement.images == 300
    assert 0.9 < result.agreement.top1.value <= 1.0
    assert isinstance(result.accuracy, Accuracy)
    assert result.accuracy.top1.quantized.count == 300
    assert isinstance(result.parity, ParityResult)
    assert (result.parity.exact, result.parity.images) == (True, 40)
    assert result.coverage.ratio == 1.0
    assert isinstance(result.layers, LayerErrors) and (result.layers.images, result.layers.worst_tensor) == (64, None)
    assert [(weights.node, weights.scale_count) for weights in result.weights] == [("Conv_conv", 5), ("Gemm_logits", 4)]
    assert isinstance(result.latency, Latency)
    assert (result.latency.batch, result.latency.threads, result.latency.speedup.rounds >= 20) == (1, 1, True)
    assert list(progress.seconds) == ["agreement", "accuracy", "coverage", "parity", "layers", "latency"]


def unlabelled(count: int, **options: Any) -> Verification:
    pictures = EvaluationImages(images=images(count), source="noise")
    request = MeasureRequest(
        found_task=TASK, **{**files(), **options}, evaluation=pictures, measuring=HERE, timing=Timing(seconds=0)
    )
    return measure(request, SilentProgress())


def test_what_was_not_asked_for_says_why() -> None:
    result = unlabelled(8)
    assert isinstance(result.accuracy, NotMeasured)
    assert result.accuracy.reason.startswith("no labelled images were given; name them with --data")
    assert result.parity == NotMeasured(reason="this file has no simulation to compare with")
    assert result.latency == NotMeasured(reason="no time was given to it; give --latency-seconds")
    assert result.resources == NotMeasured(reason="gdfq-export verify measures load time and memory")


def test_where_integers_are_not_known_to_the_bit_answers_are_compared() -> None:
    simulation = Simulation(run=classifier().integers, exact=False, images=images(40), source="noise")
    result = unlabelled(40, simulation=simulation)
    assert (
        isinstance(result.parity, NotMeasured)
        and "outputs are compared with the simulated ones instead" in result.parity.reason
    )
    assert isinstance(result.simulation, Agreement)
    assert (result.simulation.top1.value, result.simulation.max_abs_logit_error) == (1.0, 0.0)


def test_softmax_outputs_are_compared_as_probabilities() -> None:
    def softmax(gain: float) -> NetworkFile:
        model = tiny_graph.model(
            nodes=[("Mul", ["x", "gain"], ["m"]), ("Flatten", ["m"], ["f"]), ("Softmax", ["f"], ["y"])],
            inputs={"x": ("batch", 1, 2, 2)},
            outputs=["y"],
            initializers={"gain": np.float32(gain)},
        )
        return NetworkFile.of(model, "softmax.onnx")

    pictures = np.random.default_rng(0).normal(size=(20, 1, 2, 2)).astype(np.float32)
    flat = pictures.reshape(20, 4).astype(np.float64)

    def log_softmax(values: np.ndarray) -> np.ndarray:
        return values - np.log(np.exp(values).sum(axis=1, keepdims=True))

    p, q = log_softmax(flat), log_softmax(2 * flat)
    request = MeasureRequest(
        found_task=FoundTask(task=Classification(classes=4, compared=("x",), probabilities=True), reason="asked for"),
        float_network=softmax(1.0),
        quantized=softmax(2.0),
        evaluation=EvaluationImages(images=pictures, source="noise"),
        measuring=HERE,
        timing=Timing(seconds=0),
    )
    result = measure(request, SilentProgress())
    assert result.agreement.kl_mean_nats == pytest.approx((np.exp(p) * (p - q)).sum(axis=1).mean(), rel=1e-4)


def test_files_of_different_networks_are_refused() -> None:
    other = tiny_graph.model(nodes=[("Flatten", ["image"], ["y"])], inputs={"image": ("batch", 2, 3, 3)}, outputs=["y"])
    with pytest.raises(InputError, match=r"\[5, 18\] \(float\) and \[5, 4\] \(quantized\)"):
        unlabelled(5, float_network=NetworkFile.of(other, "other.onnx"))
