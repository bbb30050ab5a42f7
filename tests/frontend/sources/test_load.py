from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.passes.measured_shapes import run_model
from gdfq_export.frontend.sources import load_model
from gdfq_export.tasks.classification.task import Classification
from tests import tiny_graph
from tests.frontend.sources import networks

PREPROCESS = {"scale": 255, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.2]}


def _same_logits(model: FloatModel) -> None:
    images = np.random.default_rng(0).normal(size=(3, *model.input_spec.shape)).astype(np.float32)
    expected = run_model(model.original, {model.input_name: images})[model.original.graph.output[0].name]
    found = model.teacher(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_onnx_file_with_sidecar(tmp_path: Path) -> None:
    sidecar = {"input": [3, 8, 8], "classes": 5, "preprocess": PREPROCESS, "source": "a note of the user's"}
    path = networks.saved(tmp_path, sidecar=json.dumps(sidecar))
    model = load_model(path)
    assert (model.name, model.source) == ("net", str(path))
    assert model.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (model.input_name, model.task) == ("x", Classification(classes=5, compared=("y",)))
    assert model.input_spec.shape == (3, 8, 8) and model.input_spec.mean == (0.5, 0.4, 0.3)
    assert model.warnings == ()
    assert model.original.SerializeToString() == onnx.load(path).SerializeToString()
    assert list(model.statistics) == ["b"]
    assert not model.teacher.training and not any(weight.requires_grad for weight in model.teacher.parameters())
    _same_logits(model)


def test_flags_win_over_the_sidecar(tmp_path: Path) -> None:
    path = networks.saved(tmp_path, sidecar=json.dumps({"preprocess": PREPROCESS}))
    model = load_model(str(path), scale=1.0, mean=0.0)
    assert (model.input_spec.scale, model.input_spec.mean) == (1.0, (0.0, 0.0, 0.0))
    assert model.input_spec.std == (0.2, 0.2, 0.2)


def test_without_preprocessing_the_assumption_is_said(tmp_path: Path) -> None:
    model = load_model(networks.saved(tmp_path))
    assert model.input_spec.scale == 255.0 and model.input_spec.std == (1.0, 1.0, 1.0)
    assert len(model.warnings) == 1 and "scale 255" in model.warnings[0]


def test_dynamic_size_is_set_by_flag_or_sidecar(tmp_path: Path) -> None:
    proto = networks.classifier(inputs={"x": ("batch", 3, "h", "w_")})
    path = networks.saved(tmp_path, proto)
    assumed = load_model(path)
    assert assumed.input_spec.shape == (3, 224, 224) and "3,224,224 is assumed" in assumed.warnings[0]
    assert load_model(path, input_shape=(3, 8, 8)).input_spec.shape == (3, 8, 8)
    path.with_suffix(".json").write_text('{"input": [3, 10, 10]}')
    assert load_model(path).input_spec.shape == (3, 10, 10)


@pytest.mark.parametrize("shape", [(20,), (1, 40), (2, 5, 6, 7)], ids=["vector", "signal", "volume"])
def test_inputs_of_other_ranks(tmp_path: Path, shape: tuple[int, ...]) -> None:
    nodes = [("Flatten", ["x"], ["f"]), ("MatMul", ["f", "m"], ["y"])]
    weight = np.random.default_rng(0).normal(size=(int(np.prod(shape)), 4)).astype(np.float32)
    proto = tiny_graph.model(nodes=nodes, inputs={"x": ("n", *shape)}, outputs=["y"], initializers={"m": weight})
    model = load_model(networks.saved(tmp_path, proto))
    assert model.input_spec.shape == shape and "standardised" in model.warnings[0]
    assert model.input_spec.low == pytest.approx((-3.0,) * shape[0]) and model.input_spec.spread == (1.0,) * shape[0]
    _same_logits(model)


def test_softmax_is_not_part_of_the_logits(tmp_path: Path) -> None:
    nodes = [("Flatten", ["x"], ["f"]), ("MatMul", ["f", "m"], ["z"]), ("Softmax", ["z"], ["y"])]
    weight = np.random.default_rng(0).normal(size=(192, 4)).astype(np.float32)
    proto = tiny_graph.model(
        nodes=nodes, inputs={"x": ("n", 3, 8, 8)}, outputs=["y"], initializers={"m": weight}, opset=13
    )
    model = load_model(networks.saved(tmp_path, proto), scale=255)
    assert model.task.compared == ("z",)
    images = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(model.teacher(images), images.flatten(1) @ torch.from_numpy(weight))
    assert len(model.warnings) == 1 and "no BatchNormalization" in model.warnings[0]


def test_module(tmp_path: Path) -> None:
    network = networks.SmallNet().train()
    model = load_model(network, input_shape=(3, 8, 8), scale=255)
    assert network.training and network.drop.training
    assert (model.name, model.input_name, model.task.compared) == ("SmallNet", "image", ("logits",))
    assert sum(isinstance(module, nn.BatchNorm2d) for module in model.teacher.modules()) == 2
    images = torch.randn(4, 3, 8, 8)
    with torch.no_grad():
        expected = network.eval()(images)
    torch.testing.assert_close(model.teacher(images), expected, rtol=1e-4, atol=1e-5)
    _same_logits(model)
    assert model.sha256 == load_model(networks.SmallNet(), input_shape=(3, 8, 8)).sha256


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_module_of_another_type_is_converted(dtype: torch.dtype) -> None:
    network = networks.SmallNet().to(dtype)
    model = load_model(network, input_shape=(3, 8, 8), scale=255)
    assert next(network.parameters()).dtype == dtype
    assert f"computes in {str(dtype).removeprefix('torch.')}: it is converted to float32" in model.warnings[0]
    _same_logits(model)


def test_callable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "users_code.py").write_text("from tests.frontend.sources.networks import SmallNet\n\nmake = SmallNet\n")
    monkeypatch.chdir(tmp_path)
    model = load_model("users_code:make", input_shape=(3, 8, 8), scale=255)
    assert (model.name, model.source, model.task.facts["classes"]) == ("make", "users_code:make", 5)
    with pytest.raises(InputError, match="pass --input-shape"):
        load_model("users_code:make")


def test_exported_program_equals_the_module(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    program = torch.export.export(
        networks.SmallNet().eval(), (torch.zeros(2, 3, 8, 8),), dynamic_shapes=({0: torch.export.Dim("n")},)
    )
    torch.export.save(program, path)
    model = load_model(path, scale=255)
    kinds = [node.op_type for node in model.graph.graph]
    assert kinds.count("BatchNormalization") == 2 and len(model.statistics) == 2
    _same_logits(model)
    other = load_model(networks.SmallNet(), input_shape=(3, 8, 8), scale=255)
    assert kinds == [node.op_type for node in other.graph.graph]


def test_module_that_torch_fixes_to_two_images_takes_any_batch() -> None:
    model = load_model(networks.BatchOfTwo(mixed=False), input_shape=(3, 8, 8))
    image = torch.rand(5, 3, 8, 8)
    torch.testing.assert_close(model.teacher(image), image.flatten(1)[:, :5])


def test_exported_program_of_one_image_takes_any_batch(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(networks.SmallNet().eval(), (torch.zeros(1, 3, 8, 8),)), path)
    _same_logits(load_model(path, scale=255))


def test_demo() -> None:
    model = load_model(None)
    assert (model.name, model.task.facts["classes"], model.warnings) == ("demo", 10, ())
    _same_logits(model)


@pytest.mark.parametrize("name", ["cifar10_resnet20", "cifar10_resnet20_cy", "imagenet_mobilenetv1_025_224"])
def test_onnx_and_pt2_of_a_real_network_are_the_same_graph(evaluation_data: Path, name: str) -> None:
    one, other = (load_model(evaluation_data / "models" / f"{name}{suffix}") for suffix in (".onnx", ".pt2"))
    assert one.input_spec == other.input_spec and one.task.facts == other.task.facts
    nodes, others = list(one.folded.graph), list(other.folded.graph)
    assert [node.op_type for node in nodes] == [node.op_type for node in others]
    for node, twin in zip(nodes, others, strict=True):
        assert node.outputs[0].shape[1:] == twin.outputs[0].shape[1:]
        for value, copy in zip(node.inputs, twin.inputs, strict=True):
            if value is not None and value.const_value is not None:
                np.testing.assert_array_equal(value.const_value.numpy(), copy.const_value.numpy())
    for one_side, other_side in zip(one.statistics.values(), other.statistics.values(), strict=True):
        np.testing.assert_array_equal(one_side.mean, other_side.mean)
        np.testing.assert_array_equal(one_side.std, other_side.std)
    _same_logits(other)
