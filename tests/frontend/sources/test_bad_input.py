"""Every network that cannot be used is told why in one sentence: what, where, what to do."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from gdfq_export.errors import InputError
from gdfq_export.frontend.sources import load_model, zoo
from gdfq_export.frontend.sources.onnx_file import read_onnx
from tests import tiny_graph
from tests.frontend.sources import networks


def fails(model: object, *parts: str, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        load_model(model, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert caught.value.exit_code == 2
    assert "\n" not in message and len(message) < 900
    for part in parts:
        assert part in message
    return message


def _with_weight(name: str, value: float) -> onnx.ModelProto:
    proto = networks.classifier()
    for tensor in proto.graph.initializer:
        if tensor.name == name:
            array = numpy_helper.to_array(tensor).copy()
            array.flat[0] = value
            tensor.CopyFrom(numpy_helper.from_array(array, name))
    return proto


def _quantized() -> onnx.ModelProto:
    nodes = [("QuantizeLinear", ["x", "s", "z"], ["q"]), ("DequantizeLinear", ["q", "s", "z"], ["y"])]
    constants = {"s": np.float32(1), "z": np.uint8(0)}
    return tiny_graph.model(nodes=nodes, inputs={"x": ("n", 3, 8, 8)}, outputs=["y"], initializers=constants)


def _two_outputs() -> onnx.ModelProto:
    proto = networks.classifier()
    proto.graph.output.append(helper.make_tensor_value_info("g", TensorProto.FLOAT, ["batch", 4, 1, 1]))
    return proto


def _two_inputs(kind: int = TensorProto.FLOAT, shape: tuple[int | str, ...] = ("n", 3, 8, 8)) -> onnx.ModelProto:
    """The second of them is of this type and shape."""
    proto = tiny_graph.model(
        nodes=[("Flatten", ["x"], ["y"]), ("Identity", ["z"], ["w"])],
        inputs={"x": ("n", 3, 8, 8), "z": shape},
        outputs=["y", "w"],
    )
    proto.graph.input[1].type.tensor_type.elem_type = kind
    return proto


def _graph(*nodes: tiny_graph.Node, shape: tuple[int | str, ...] = ("n", 3, 8, 8)) -> onnx.ModelProto:
    return tiny_graph.model(nodes=nodes, inputs={"x": shape}, outputs=["y"])


def _old() -> onnx.ModelProto:
    proto = networks.classifier(opset=11)
    proto.opset_import[0].version = 6
    return proto


def _custom_operator() -> onnx.ModelProto:
    proto = networks.classifier()
    proto.graph.node[2].domain = "com.vendor"
    return proto


def _training_mode() -> onnx.ModelProto:
    proto = networks.classifier()
    proto.graph.node[1].attribute.append(helper.make_attribute("training_mode", 1))
    return proto


def _invalid() -> onnx.ModelProto:
    proto = networks.classifier()
    proto.graph.node[2].input[0] = "nobody"
    return proto


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (_old, ["opset 6", "7 and later"]),
        (_quantized, ["already quantized", "QuantizeLinear"]),
        (lambda: _two_inputs(kind=TensorProto.INT64), ["the input z", "int64, not float32", "as constants"]),
        (lambda: _two_inputs(kind=TensorProto.UINT8), ["the input z", "uint8, not float32"]),
        (lambda: _two_inputs(shape=("n",)), ["the input z", "no batch"]),
        (lambda: _two_inputs(shape=("n", 24, 24, 3)), ["the input z", "channels last"]),
        (lambda: _graph(("Relu", ["x"], ["y"]), shape=(10,)), ["[10]", "no batch"]),
        (lambda: _graph(("Relu", ["x"], ["y"]), shape=("n", "f")), ["--input-shape"]),
        (lambda: _with_weight("w2", np.nan), ["the weight w2", "NaN or infinity in 1 of 20 values"]),
        (lambda: _with_weight("gamma", np.inf), ["the weight gamma"]),
        (_custom_operator, ["com.vendor.Relu", "Relu_r"]),
        (_training_mode, ["training mode", "eval()"]),
        (_invalid, ["not a valid ONNX model", "nobody"]),
    ],
)
def test_onnx_that_is_no_float_classifier(
    tmp_path: Path, make: Callable[[], onnx.ModelProto], parts: list[str]
) -> None:
    fails(networks.saved(tmp_path, make()), *parts)


@pytest.mark.parametrize(
    ("make", "outputs"),
    [
        (_two_outputs, "outputs y [N, 5], g [N, 4, 1, 1]"),
        (lambda: _graph(("Relu", ["x"], ["y"])), "outputs y [N, 3, 8, 8]"),
        (lambda: _graph(("Flatten", ["x"], ["y"]), shape=("n", 1, 1, 1)), "outputs y [N, 1]"),
    ],
)
def test_outputs_that_are_no_class_scores_are_numbers(
    tmp_path: Path, make: Callable[[], onnx.ModelProto], outputs: str
) -> None:
    model = load_model(networks.saved(tmp_path, make()))
    assert model.task.describe() == outputs


def test_missing_file_folder_and_suffix(tmp_path: Path) -> None:
    fails(tmp_path / "none.onnx", "none.onnx does not exist")
    fails("no_such_thing", "no_such_thing does not exist", "package.module:callable")
    (tmp_path / "folder.onnx").mkdir()
    fails(tmp_path / "folder.onnx", "is a folder")
    (tmp_path / "net.pth").write_bytes(b"x")
    fails(tmp_path / "net.pth", ".pth", ".onnx or .pt2")


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9, 0.999])
def test_cut_onnx(tmp_path: Path, keep: float) -> None:
    path = networks.saved(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    fails(path, str(path), "again")


def test_garbage_onnx(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"<html>not found</html>" * 20)
    fails(path, "no ONNX model")


def test_what_is_no_file_and_what_stands_for_one(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "no.onnx", "does not exist"), (tmp_path, "is a folder")):
        with pytest.raises(InputError, match=words):
            read_onnx(path)
    pointer = tmp_path / "net.onnx"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 2510036\n")
    fails(pointer, "pointer of Git LFS", "git lfs pull")


def test_external_data(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(networks.classifier(), path, save_as_external_data=True, location="net.data", size_threshold=0)
    assert load_model(path).task.facts["classes"] == 5
    content = (tmp_path / "net.data").read_bytes()
    (tmp_path / "net.data").write_bytes(content[:50])
    fails(path, "net.data", "cut short")
    (tmp_path / "net.data").unlink()
    fails(path, "net.data", "does not exist")


@pytest.mark.parametrize("content", [b"", b"not a program", b"PK\x03\x04 cut"])
def test_damaged_pt2(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.pt2"
    path.write_bytes(content)
    fails(path, "net.pt2 cannot be read", "torch.export.save")


def test_cut_pt2(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(networks.SmallNet().eval(), (torch.zeros(2, 3, 8, 8),)), path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    fails(path, "net.pt2 cannot be read")


@pytest.mark.parametrize(
    ("sidecar", "parts"),
    [
        ("{", ["net.json", "JSON"]),
        ("[]", ["net.json"]),
        ('{"input": []}', ["the key input"]),
        ('{"input": [3, 8, 0]}', ["the key input.2"]),
        ('{"classes": "many"}', ["the key classes"]),
        ('{"classes": 7}', ["7 classes", "has 5"]),
        ('{"input": [3, 9, 9]}', ["net.json", "[3, 9, 9]", "['batch', 3, 8, 8]"]),
        ('{"preprocess": {"means": 1}}', ["preprocess.means"]),
        ('{"preprocess": {"scale": -1}}', ["preprocess.scale"]),
        ('{"preprocess": {"mean": [1, 2]}}', ["net.json", "3 channels"]),
        ('{"preprocess": {"std": [1, 0, 1]}}', ["std", "positive"]),
    ],
)
def test_bad_sidecar(tmp_path: Path, sidecar: str, parts: list[str]) -> None:
    fails(networks.saved(tmp_path, sidecar=sidecar), *parts)


def test_bad_flags(tmp_path: Path) -> None:
    path = networks.saved(tmp_path, sidecar=json.dumps({"input": [3, 8, 8]}))
    fails(path, "[3, 0] from the command line", input_shape=(3, 0))
    fails(path, "[3, 8]", "['batch', 3, 8, 8]", input_shape=(3, 8))
    fails(path, "[1, 8, 8]", "['batch', 3, 8, 8]", input_shape=(1, 8, 8))
    fails(path, "scale is 0", "the command line", scale=0.0)
    fails(path, "3 channels", mean=(0.1, 0.2))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("no_such_module:make", ["cannot import no_such_module"]),
        ("tests.frontend.sources.networks:nothing", ["has no nothing"]),
        ("tests.frontend.sources.networks:make_number", ["returned a int"]),
        ("tests.frontend.sources.networks:make_with_argument", ["without arguments failed"]),
        ("tests.frontend.sources.networks:broken", ["ValueError: weights are elsewhere"]),
        ("tests.frontend.sources.networks:NOT_CALLABLE", ["not a callable"]),
        ("tests.frontend.sources.networks:Untraceable", ["torch.export cannot trace", "no such thing"]),
    ],
)
def test_bad_callable(name: str, parts: list[str]) -> None:
    fails(name, *parts, input_shape=(3, 8, 8))


def test_module_that_takes_another_shape_or_batch() -> None:
    fails(networks.SmallNet(), "cannot trace", "[1, 8, 8]", input_shape=(1, 8, 8))
    fails(networks.BatchOfTwo(mixed=True), "batch", input_shape=(3, 8, 8))


def test_zoo_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    fails("timm:resnet18", "package timm", "not installed", "--constraint constraints.txt 'gdfq-export[zoo]'")


def test_zoo_that_was_built_for_another_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is the package's own, and what to do names the versions that do not fit."""
    versions = {"torch": "2.13.0", "torchvision": "0.27.1"}

    def broken(module: str) -> None:
        assert module == "torchvision.models"
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(zoo.importlib, "import_module", broken)
    monkeypatch.setattr(zoo.metadata, "version", versions.__getitem__)
    monkeypatch.setattr(zoo.metadata, "requires", lambda package: ["numpy", "torch==2.12.1"])
    message = fails("torchvision:resnet18", "torchvision::nms does not exist", "0.27.1", "torch==2.12.1", "2.13.0")
    assert "gdfq-export[zoo]" not in message


def test_zoo_whose_own_requirement_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(module: str) -> None:
        raise ModuleNotFoundError("No module named 'huggingface_hub'", name="huggingface_hub")

    monkeypatch.setattr(zoo.importlib, "import_module", broken)
    monkeypatch.setattr(zoo, "_version", {"torch": "2.13.0"}.get)
    fails("timm:resnet18", "No module named 'huggingface_hub'", "reinstall the package that the error names")


def test_zoo_whose_downloadfails(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = types.ModuleType("pytorchcv.model_provider")

    def refuse(name: str, pretrained: bool) -> None:
        assert pretrained
        raise OSError("no route\nto host")

    provider.get_model = refuse  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pytorchcv", types.ModuleType("pytorchcv"))
    monkeypatch.setitem(sys.modules, "pytorchcv.model_provider", provider)
    fails("pytorchcv:resnet18", "pytorchcv:resnet18", "trained weights", "no route to host", "internet")
