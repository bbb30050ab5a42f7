"""The whole job on the demo network, with a generator of few steps: repeatable, exact, integer, clean when it fails."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from jsonschema import Draft202012Validator

from gdfq_export.errors import InputError
from gdfq_export.frontend.demo.labelled import held_out_set
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.result import Result
from gdfq_export.metrics.coverage import Coverage
from gdfq_export.metrics.parity import ParityResult
from gdfq_export.recipe import (
    Bits,
    Calibration,
    Data,
    FineTune,
    Generator,
    LayerBits,
    MixedBits,
    Recipe,
    Tuning,
    Verify,
    load_recipe,
)
from gdfq_export.report.baseline import read_baseline
from gdfq_export.report.schema import report_schema
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.tasks.classification.accuracy import Accuracy
from gdfq_export.tasks.classification.agreement import Agreement
from tests.jobs import runs

RECIPE = Recipe(
    name="quick",
    data=Data(generator=Generator(steps=30, batch=32)),
    calibration=Calibration(images=128),
    verify=Verify(agreement_images=256, parity_images=256, latency_seconds=0),
)


@pytest.fixture(scope="module")
def demo() -> FloatModel:
    return load_model(None)


def quantize(demo: FloatModel, out: Path, *, seed: int = 0, recipe: Recipe = RECIPE, **options: object) -> Result:
    return runs.quantize(demo, recipe, out=out, seed=seed, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def file(demo: FloatModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo, quantized; its report beside it."""
    out = tmp_path_factory.mktemp("demo") / "q.onnx"
    quantize(demo, out, report=out.with_suffix(".json"))
    return out


def test_the_same_seed_gives_the_same_bytes(demo: FloatModel, file: Path, tmp_path: Path) -> None:
    quantize(demo, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == file.read_bytes()


def test_another_seed_gives_another_file_that_answers_alike(demo: FloatModel, file: Path, tmp_path: Path) -> None:
    quantize(demo, tmp_path / "other.onnx", seed=1)
    assert (tmp_path / "other.onnx").read_bytes() != file.read_bytes()
    images = held_out_set().images.numpy()
    backend = OnnxRuntime()
    answers = [backend.load(path, 1).run(images).argmax(1) for path in (file, tmp_path / "other.onnx")]
    assert float(np.mean(answers[0] == answers[1])) >= 0.97


def test_every_integer_and_logit_is_what_was_simulated_and_nothing_runs_in_float(
    demo: FloatModel, tmp_path: Path
) -> None:
    result = quantize(demo, tmp_path / "q.onnx", data=held_out_set())
    parity, coverage, accuracy = result.report.parity, result.report.coverage, result.report.accuracy
    assert isinstance(parity, ParityResult) and isinstance(coverage, Coverage) and isinstance(accuracy, Accuracy)
    assert parity.images >= 256
    assert parity.exact and parity.elements > 256 * 64
    assert coverage.float_compute == () and coverage.integer_compute > 0
    assert coverage.remaining_dequantize == ()
    assert accuracy.top1.drop_pp <= 1.0
    assert isinstance(result.report.agreement, Agreement) and result.report.agreement.images == 256
    assert isinstance(result.report.latency, NotMeasured)
    assert result.plan.target == "ort-cpu"


def test_what_is_reported_is_what_is_written(file: Path) -> None:
    report = file.with_suffix(".json").read_text()
    assert f'"bytes": {file.stat().st_size}' in report
    assert sorted(path.name for path in file.parent.iterdir()) == ["q.json", "q.onnx"]


def test_what_is_reported_is_valid_and_serves_as_a_baseline(file: Path) -> None:
    path = file.with_suffix(".json")
    body = json.loads(path.read_text(encoding="utf-8"))
    Draft202012Validator(report_schema()).validate(body)
    assert read_baseline(path).files.quantized.sha256 == body["files"]["quantized"]["sha256"]


def test_a_run_that_fails_leaves_the_old_output_and_nothing_else(
    demo: FloatModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise RuntimeError("the runtime is gone")

    monkeypatch.setattr("gdfq_export.jobs.quantizing.finishing.measure", fail)
    for name in ("q.onnx", "r.json"):
        (tmp_path / name).write_bytes(b"old")
    recipe = RECIPE.model_copy(update={"data": Data(method="noise"), "tuning": Tuning(bias_correction="none")})
    with pytest.raises(RuntimeError, match="the runtime is gone"):
        quantize(demo, tmp_path / "q.onnx", recipe=recipe, report=tmp_path / "r.json")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"q.onnx": b"old", "r.json": b"old"}


def test_a_saved_set_is_used_in_place_of_the_generator(demo: FloatModel, tmp_path: Path) -> None:
    noise = RECIPE.model_copy(update={"data": Data(method="noise")})
    saved = runs.synthesize(demo, noise, count=160, seed=0)
    assert (saved.images.shape, saved.logits.shape) == ((160, 1, 8, 8), (160, 10))
    report = quantize(demo, tmp_path / "q.onnx", calibration=saved).report
    assert report.calibration.source == "a saved set (noise)"
    assert "train the generator" not in report.seconds_by_phase


@pytest.mark.parametrize("wrong", ["images", "classes"])
def test_a_saved_set_of_another_network_is_refused(demo: FloatModel, tmp_path: Path, wrong: str) -> None:
    noise = RECIPE.model_copy(update={"data": Data(method="noise")})
    saved = runs.synthesize(demo, noise, count=8, seed=0)
    changes = (
        {"images": saved.images[:, :, :4]} if wrong == "images" else {"logits": np.pad(saved.logits, [(0, 0), (0, 2)])}
    )
    with pytest.raises(InputError, match=r"calibration images .* gdfq-export synthesize"):
        quantize(demo, tmp_path / "q.onnx", calibration=dataclasses.replace(saved, **changes))


def test_a_generator_that_diverges_is_told_with_the_key_to_change(
    demo: FloatModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*arguments: object, **options: object) -> None:
        raise FloatingPointError("at step 3")

    monkeypatch.setattr("gdfq_export.synthesis.generator.train_gdfq", diverge)
    with pytest.raises(InputError, match=r"lower data\.generator\.learning_rate in the recipe quick"):
        quantize(demo, tmp_path / "q.onnx")
    assert not list(tmp_path.iterdir())


def test_outliers_and_training_that_harms_are_told_in_the_report(demo: FloatModel, tmp_path: Path) -> None:
    noise = RECIPE.model_copy(update={"data": Data(method="noise")})
    saved = runs.synthesize(demo, noise, count=128, seed=0)
    saved.images[5] *= 1000
    wild = FineTune(steps=3, batch=16, learning_rate=1.0, scale_learning_rate=1.0)
    verify = Verify(agreement_images=8, parity_images=8, latency_seconds=0)
    tuning, data = Tuning(finetune=wild), Data(method="noise", images=128)
    recipe = noise.model_copy(update={"data": data, "tuning": tuning, "verify": verify})
    report = quantize(demo, tmp_path / "q.onnx", recipe=recipe, calibration=saved).report
    assert report.calibration.images == 127
    assert {"look for outliers", "fine-tune"} <= set(report.seconds_by_phase)
    told = " / ".join(report.warnings)
    assert "left out: 1 of 128 images (by number 5); image 5 drives layer" in told
    assert "fine-tuning was taken back" in told
    assert "drawn more than once" in told


def test_a_file_for_openvino_is_verified_in_openvino(demo: FloatModel, tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed (pip install 'gdfq-export[openvino]')")
    recipe = RECIPE.model_copy(update={"target": "openvino", "data": Data(method="noise")})
    report = quantize(demo, tmp_path / "q.onnx", recipe=recipe, data=held_out_set()).report
    assert isinstance(report.simulation, Agreement) and report.simulation.top1.value == 1.0
    assert isinstance(report.parity, NotMeasured) and isinstance(report.accuracy, Accuracy)
    assert isinstance(report.coverage, Coverage) and report.coverage.runtime == "OpenVINO"
    assert report.coverage.ratio == 1.0 and not report.coverage.remaining_dequantize
    proto = onnx.load(tmp_path / "q.onnx")
    assert {entry.value for entry in proto.metadata_props if entry.key == "gdfq_export.target"} == {"openvino"}


def test_mixed_bits_are_told_and_as_exceptions_repeat_the_run(demo: FloatModel, tmp_path: Path) -> None:
    few = RECIPE.model_copy(update={"data": Data(method="noise")})
    asked = Bits(weights=3, mixed=MixedBits(growth=0.2))
    result = quantize(demo, tmp_path / "mixed.onnx", recipe=few.model_copy(update={"bits": asked}))
    facts = result.report.mixed_bits
    assert facts is not None and 0 < len(facts.raised) < len(facts.sensitivity)
    told = Bits(weights=3, layers={name: LayerBits(weights=8) for name in facts.raised})
    quantize(demo, tmp_path / "told.onnx", recipe=few.model_copy(update={"bits": told}))
    graphs = [onnx.load(tmp_path / name).graph.SerializeToString() for name in ("mixed.onnx", "told.onnx")]
    assert graphs[0] == graphs[1]
    assert isinstance(result.report.parity, ParityResult) and result.report.parity.exact


def test_a_file_is_not_larger_than_mixed_bits_may_make_it(demo: FloatModel, tmp_path: Path) -> None:
    few, least = RECIPE.model_copy(update={"data": Data(method="noise")}), Bits(weights=4, first_last=4)
    bare = quantize(demo, tmp_path / "q.onnx", recipe=few.model_copy(update={"bits": least})).report.files
    within = bare.size_ratio + 0.02

    def mixed(size_ratio: float) -> Result:
        bits = least.model_copy(update={"mixed": MixedBits(growth=1, size_ratio=size_ratio)})
        return quantize(demo, tmp_path / "q.onnx", recipe=few.model_copy(update={"bits": bits}))

    report = mixed(within).report
    assert report.mixed_bits is not None and 0 < len(report.mixed_bits.raised) < len(report.mixed_bits.sensitivity)
    assert within - 0.02 < report.files.size_ratio <= within
    assert not any("size_ratio" in warning for warning in report.warnings)

    report = mixed(bare.size_ratio - 0.02).report
    assert report.mixed_bits is not None and len(report.mixed_bits.raised) == len(report.mixed_bits.sensitivity)
    assert sum("before any layer is raised: bits.mixed.growth alone" in warning for warning in report.warnings) == 1


def test_where_a_target_stores_few_bits_as_bytes_mixed_bits_give_every_layer_eight(
    demo: FloatModel, tmp_path: Path
) -> None:
    few = RECIPE.model_copy(update={"data": Data(method="noise"), "target": "portable"})
    bits = Bits(weights=4, first_last=4, mixed=MixedBits(size_ratio=0.15))
    report = quantize(demo, tmp_path / "q.onnx", recipe=few.model_copy(update={"bits": bits})).report
    assert report.mixed_bits is not None and len(report.mixed_bits.raised) == 9 and not report.mixed_bits.sensitivity
    assert [warning for warning in report.warnings if "bits.mixed" in warning] == [
        "portable stores weights of 8 bits in as many bytes as those of 4: bits.mixed gives 8 bits to every layer"
    ]
    assert isinstance(report.recipe.used["bits"]["layers"], dict)  # type: ignore[index]


def test_bit_operations_keep_their_limit_and_parity_is_exact(demo: FloatModel, tmp_path: Path) -> None:
    few = RECIPE.model_copy(update={"data": Data(method="noise")})
    bits = Bits(weights=4, activations=4, first_last=4, others=8, mixed=MixedBits(activations=8, operations=0.4))
    report = quantize(demo, tmp_path / "q.onnx", recipe=few.model_copy(update={"bits": bits})).report
    facts = report.mixed_bits
    assert facts is not None and facts.operations is not None and facts.operations <= 0.4
    assert {layer.activations for layer in facts.layers} == {4, 8}
    assert all(layer.weights_error is not None for layer in facts.layers)
    assert isinstance(report.parity, ParityResult) and report.parity.exact


def test_activation_bits_that_cost_nothing_are_given_and_told(demo: FloatModel, tmp_path: Path) -> None:
    few = RECIPE.model_copy(update={"data": Data(method="noise")})
    bits = Bits(weights=4, activations=4, first_last=4, others=8, mixed=MixedBits(activations=8))
    report = quantize(demo, tmp_path / "q.onnx", recipe=few.model_copy(update={"bits": bits})).report
    assert report.mixed_bits is not None and {each.activations for each in report.mixed_bits.layers} == {8}
    told = [warning for warning in report.warnings if "bits.mixed" in warning]
    assert len(told) == 1 and "computes activations of fewer than 8 bits in INT8 too" in told[0]


def test_mixed_bits_have_no_images_while_a_generator_is_trained_beside(demo: FloatModel, tmp_path: Path) -> None:
    published = load_recipe("paper/gdfq").model_copy(update={"bits": Bits(mixed=MixedBits())})
    with pytest.raises(InputError, match=r"bits\.mixed in the recipe paper/gdfq measures layers on images"):
        quantize(demo, tmp_path / "q.onnx", recipe=published)
