"""The whole line on real networks, without their data: accuracy, integers and size are what was promised.

Takes minutes a network, and needs the networks and images that GDFQ_EXPORT_DATA names. Speed is `bench/one_line.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from onnx import load, numpy_helper

from calib.samplers import RealSet
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.result import Result
from gdfq_export.metrics.coverage import Coverage
from gdfq_export.metrics.parity import ParityResult
from gdfq_export.recipe import DEFAULT_RECIPE, load_recipe
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.tasks.classification.accuracy import Accuracy
from gdfq_export.tasks.classification.agreement import measure_agreement
from tests.jobs import runs

pytestmark = pytest.mark.slow


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What one network's file must reach on real images; None: nothing was promised."""

    images: int
    largest_drop_pp: float
    least_agreement: float = 0.0
    largest_size_ratio: float | None = None


CIFAR = Promise(images=4900, largest_drop_pp=0.2)
RESNET20 = Promise(images=4900, largest_drop_pp=0.2, largest_size_ratio=0.27)
PROMISES = {
    "cifar10_resnet20.onnx": RESNET20,
    "cifar10_resnet20.pt2": RESNET20,
    "cifar10_resnet20_cy.onnx": CIFAR,
    "cifar10_resnet8_mlperftiny.onnx": CIFAR,
    "imagenet_mobilenetv1_025_224.onnx": Promise(images=600, largest_drop_pp=2.0, least_agreement=0.92),
    "imagenet_tinydarknet_224.onnx": Promise(images=600, largest_drop_pp=1.0, least_agreement=0.94),
}

SHORTFALLS = {
    "imagenet_tinydarknet_224.onnx": "agrees on 93.8 % where 94 % was promised; real images give 93.0 to 94.7 %",
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One run of the line: its report, its file, the same network's real images."""

    result: Result
    float_file: bytes
    file: Path
    data: RealSet


@pytest.fixture(scope="module", params=PROMISES)
def network(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def outcome(network: str, evaluation_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return quantized(network, evaluation_data, tmp_path_factory.mktemp("real"))


def quantized(network: str, folder: Path, out: Path) -> Outcome:
    model = load_model(folder / "models" / network)
    images = "cifar10_test_dev.npz" if network.startswith("cifar10") else "imagenet_val"
    data = RealSet.load(folder / images, model.input_spec, model.num_classes)
    file = out / f"{network}.quantized.onnx"
    result = runs.quantize(
        model,
        load_recipe(DEFAULT_RECIPE),
        out=file,
        report=None,
        data=data,
        calibration=None,
        seed=0,
    )
    original = model.original.SerializeToString()
    return Outcome(result=result, float_file=original, file=file, data=data)


def test_the_file_scores_what_the_float_network_scores(
    network: str, outcome: Outcome, request: pytest.FixtureRequest
) -> None:
    if network in SHORTFALLS:
        request.applymarker(pytest.mark.xfail(reason=SHORTFALLS[network], strict=False))
    promise, accuracy = PROMISES[network], outcome.result.report.accuracy
    assert isinstance(accuracy, Accuracy)
    assert accuracy.images == promise.images
    assert accuracy.top1.drop_pp <= promise.largest_drop_pp
    backend, images = OnnxRuntime(), outcome.data.images.numpy()
    float_logits = backend.load(outcome.float_file, 1).run(images)
    agreement = measure_agreement(float_logits, backend.load(outcome.file, 1).run(images), "real images")
    assert agreement.top1.value >= promise.least_agreement


def test_every_integer_is_what_was_simulated(outcome: Outcome) -> None:
    parity = outcome.result.report.parity
    assert isinstance(parity, ParityResult)
    assert parity.images >= 256
    assert parity.exact, f"{parity.first_differing}: {parity.differing} differ, unchecked: {parity.unchecked}"


def test_no_layer_runs_in_float_and_every_dequantize_left_is_explained(outcome: Outcome) -> None:
    coverage = outcome.result.report.coverage
    assert isinstance(coverage, Coverage)
    assert coverage.integer_compute > 0
    assert coverage.float_compute == ()
    for left in coverage.remaining_dequantize:
        assert left.consumers and left.reason
        assert "although its edges are quantized" not in left.reason
        assert "is not quantized" not in left.reason


def test_the_file_is_as_small_as_promised(network: str, outcome: Outcome) -> None:
    promise, report = PROMISES[network], outcome.result.report
    if promise.largest_size_ratio is not None:
        assert report.files.size_ratio <= promise.largest_size_ratio


def test_an_exported_program_gives_what_the_onnx_file_of_it_gives(evaluation_data: Path, tmp_path: Path) -> None:
    files = [
        load(quantized(f"cifar10_resnet20.{suffix}", evaluation_data, tmp_path).file) for suffix in ("onnx", "pt2")
    ]
    stored = [sorted(numpy_helper.to_array(tensor).tobytes() for tensor in file.graph.initializer) for file in files]
    assert [node.op_type for node in files[0].graph.node] == [node.op_type for node in files[1].graph.node]
    assert stored[0] == stored[1]
