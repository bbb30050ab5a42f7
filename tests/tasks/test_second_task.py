"""A task that is no classification goes through every room between the graph and the parity check.

The network has two outputs of unlike rank, one of which is read inside the graph as well.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from calib.gdfq import GeneratorTraining, train_gdfq
from calib.input_spec import InputSpec
from calib.refinement import RefinedSampler, RefinementSettings
from calib.teacher import Teacher
from gdfq_export.frontend.float_model import FloatModel, build
from gdfq_export.frontend.passes.measured_shapes import run_model
from gdfq_export.jobs.draft_model import write_draft
from gdfq_export.metrics.layer_error import LayerErrors, measure_layers
from gdfq_export.metrics.parity import parity
from gdfq_export.planning.placement import plan_of
from gdfq_export.qdq.read_back import read_back
from gdfq_export.qdq.writer import write_onnx
from gdfq_export.recipe import Bits, Calibration, FineTune, Recipe, Tuning
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.simulator import IntegerSimulator, Simulator
from gdfq_export.support.progress import SilentProgress
from gdfq_export.tasks.figures import ComparedOutputs
from gdfq_export.tasks.output_comparison import compare_outputs
from gdfq_export.tuning import tune
from gdfq_export.tuning.sensitivity import sensitivity
from tests import tiny_graph

SPEC = InputSpec(shape=(3, 8, 8), scale=255.0, mean=(0.5,) * 3, std=(0.25,) * 3)
OUTPUTS = ("offsets", "map")
NODES: list[tiny_graph.Node] = [
    ("Conv", ["x", "w1", "b1"], ["c"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    ("BatchNormalization", ["c", "gain", "bias", "mean", "variance"], ["n"]),
    ("Relu", ["n"], ["r"]),
    ("Conv", ["r", "w2", "b2"], ["map"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    ("Relu", ["map"], ["m"]),
    ("GlobalAveragePool", ["m"], ["p"]),
    ("Flatten", ["p"], ["f"]),
    ("Gemm", ["f", "w3", "b3"], ["offsets"], {"transB": 1}),
]


def network() -> onnx.ModelProto:
    random = np.random.default_rng(0)

    def array(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    arrays = {"w1": array(8, 3, 3, 3), "b1": array(8), "w2": array(4, 8, 3, 3), "b2": array(4), "w3": array(2, 4)}
    norm = {"gain": array(8), "bias": array(8), "mean": array(8), "variance": np.full(8, 4.0, np.float32)}
    inputs = {"x": ("batch", 3, 8, 8)}
    return tiny_graph.model(
        nodes=NODES, inputs=inputs, outputs=list(OUTPUTS), initializers={**arrays, "b3": array(2), **norm}
    )


@pytest.fixture
def model() -> FloatModel:
    return build(network(), name="net", source="net.onnx", sha256="0", input_spec=SPEC)


def images_for(count: int, seed: int = 0) -> np.ndarray:
    return np.clip(np.random.default_rng(seed).normal(size=(count, 3, 8, 8)), -2, 2).astype(np.float32)


def test_the_teacher_returns_every_compared_output(model: FloatModel) -> None:
    assert model.task.compared == OUTPUTS and "Relu" in [node.op_type for node in model.folded.graph]
    images = images_for(3)
    expected = run_model(model.original, {"x": images})
    found = model.teacher(torch.from_numpy(images))
    for name, output in zip(OUTPUTS, found, strict=True):
        np.testing.assert_allclose(output.numpy(), expected[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bits", [Bits(), Bits(weights=4, activations=4)])
def test_the_tuned_file_computes_what_is_simulated_and_is_read_back(model: FloatModel, bits: Bits) -> None:
    images = torch.from_numpy(images_for(64))
    recipe = Recipe(
        name="test",
        bits=bits,
        calibration=Calibration(activations="minmax", weights="mse", images=64),
        tuning=Tuning(rounding=True, bias_correction="empirical", finetune=FineTune(steps=4, batch=16)),
    )
    plan = plan_of(model, "ort-cpu", bits)
    simulator = Simulator(model.folded, plan, task=model.task)
    tune(
        simulator,
        images,
        recipe,
        statistics=model.statistics,
        seed=0,
        device="cpu",
        progress=SilentProgress(),
    )
    encodings, parameters = simulator.freeze(), simulator.tuned_parameters()
    exact = IntegerSimulator(model.folded, plan, encodings, parameters)
    file = write_onnx(model.folded, plan, encodings, parameters, {"target": "ort-cpu"})
    assert [output.name for output in file.graph.output] == list(OUTPUTS)
    for simulation in (exact, read_back(file)):
        result = parity(file, simulation.run, images_for(40, seed=1), 16)
        assert result.exact and result.outputs_differing == 0
        assert set(OUTPUTS) <= {tensor.name for tensor in result.tensors}

    fresh = images_for(32, seed=2)
    runtime = OnnxRuntime()
    floats, found = (runtime.load(each.SerializeToString(), 1).run_all(fresh) for each in (model.original, file))
    assert model.task.fits([output.shape for output in found])
    compared = ComparedOutputs(images=len(fresh), names=OUTPUTS, float_network=floats, quantized=found, source="noise")
    decibels = [error.snr_db for error in compare_outputs(compared)]
    assert min(decibels) > (5 if bits.weights < 8 else 25), decibels
    layers = measure_layers(model.original, file, fresh, "noise", float_backend=runtime, backend=runtime, threads=1)
    assert isinstance(layers, LayerErrors) and set(OUTPUTS) <= {layer.tensor for layer in layers.layers}


def test_layers_are_ranked_by_the_error_of_all_outputs(model: FloatModel) -> None:
    plan = plan_of(model, "ort-cpu", Bits(weights=2))
    simulator = Simulator(model.folded, plan, task=model.task)
    found = sensitivity(simulator, torch.from_numpy(images_for(32)))
    assert len(found) == 3 and all(error > 0 for error in found.values())


def test_an_openvino_file_keeps_the_outputs_float(model: FloatModel) -> None:
    draft = write_draft(model, "openvino", Bits(), torch.from_numpy(images_for(8)))
    assert [output.name for output in draft.file.graph.output] == list(OUTPUTS)


def test_images_are_made_without_classes(model: FloatModel) -> None:
    teacher = Teacher(network=model.teacher, input_spec=SPEC, aim=model.task.aim)
    seen: list[set[str]] = []
    training = GeneratorTraining(
        steps=3,
        batch=4,
        learning_rate=1e-3,
        latent=8,
        width=8,
        bns_weight=1.0,
        bns_normalized=True,
        diversity_weight=1.0,
        classes=10,
        crop_fraction=0.5,
    )
    generator = train_gdfq(teacher, training, on_step=lambda done, total, figures: seen.append(set(figures)))
    refinement = RefinementSettings(steps=2, batch=4, learning_rate=0.05, bns_weight=1.0, variation_weight=0.1)
    for start in (generator, None):
        images, labels = RefinedSampler(teacher, refinement, start=start).draw(5, 4)
        assert images.shape == (5, *SPEC.shape) and labels.tolist() == [0] * 5
    assert seen == [{"loss", "bns", "distance", "spread"}] * 3
