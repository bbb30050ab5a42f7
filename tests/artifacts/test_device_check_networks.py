"""The device check of networks with inputs of every form, and with float layers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import gdfq_export as gq
from tests import tiny_graph
from tests.artifacts.checked_bundle import QUICK, accept_hash, check


def layer_file(output: str, shape: tuple[int, ...] = (3, 8, 8), kernel: tuple[int, ...] = (3, 3)) -> onnx.ModelProto:
    """A convolution, a pool and a fully connected layer, and `output` of it."""
    random = np.random.default_rng(0)
    weights = {
        "w": random.normal(size=(8, shape[0], *kernel)).astype(np.float32),
        "v": random.normal(size=(8, 4)).astype(np.float32),
    }
    nodes: list[tiny_graph.Node] = [
        ("Conv", ["x", "w"], ["c"]),
        ("Relu", ["c"], ["r"]),
        ("GlobalAveragePool", ["r"], ["p"]),
        ("Flatten", ["p"], ["f"]),
        ("Gemm", ["f", "v"], ["g"]),
        (output, ["g"], ["y"]),
    ]
    return tiny_graph.model(nodes=nodes, inputs={"x": ("batch", *shape)}, outputs=["y"], initializers=weights)


def test_outputs_behind_float_layers_may_be_close(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(layer_file("Tanh"), tmp_path / "net.onnx")
    gq.quantize(gq.load(tmp_path / "net.onnx", task="regress"), QUICK).bundle(tmp_path / "bundle")
    bundle = tmp_path / "bundle"
    assert check(bundle) == 0 and json.loads((bundle / "manifest.json").read_text())["device_check"]["exact"] is False
    stored = dict(np.load(bundle / "check.npz"))
    for factor, code, said in ((1.001, 0, "close"), (1.1, 1, "off by up to")):
        np.savez(bundle / "check.npz", **{**stored, "output_0": stored["output_0"] * np.float32(factor)})
        accept_hash(bundle, "check.npz", "device_check")
        assert check(bundle) == code and said in capsys.readouterr().out


@pytest.mark.parametrize("form", ["channels last", "pixels", "signal", "fixed batch"])
def test_inputs_of_every_form_are_run(tmp_path: Path, form: str) -> None:
    shape, kernel = ((3, 32), (3,)) if form == "signal" else ((3, 8, 8), (3, 3))
    proto = layer_file("Identity", shape, kernel)
    image = proto.graph.input[0].type.tensor_type
    if form == "fixed batch":
        image.shape.dim[0].dim_value = 3
    if form in ("channels last", "pixels"):
        proto = _with_front(proto, pixels=form == "pixels")
    onnx.save(proto, tmp_path / "net.onnx")
    network = gq.load(tmp_path / "net.onnx", keep_batch=form == "fixed batch", task="regress")
    gq.quantize(network, QUICK).bundle(tmp_path / "bundle")
    facts = json.loads((tmp_path / "bundle" / "manifest.json").read_text())["device_check"]
    stored = np.load(tmp_path / "bundle" / "check.npz")["input"]
    assert facts["batch"] == (3 if form == "fixed batch" else 1) and facts["exact"]
    assert stored.dtype == (np.float32 if form == "signal" else np.uint8) and len(stored) % facts["batch"] == 0
    assert check(tmp_path / "bundle") == 0


def _with_front(proto: onnx.ModelProto, *, pixels: bool) -> onnx.ModelProto:
    """The same network with its channels last and, with `pixels`, uint8."""
    proto = onnx.ModelProto.FromString(proto.SerializeToString())
    image = proto.graph.input[0]
    for dim, size in zip(image.type.tensor_type.shape.dim[1:], (8, 8, 3), strict=True):
        dim.dim_value = size
    front = [onnx.helper.make_node("Transpose", ["x_float" if pixels else "x"], ["x_planes"], perm=[0, 3, 1, 2])]
    if pixels:
        image.type.tensor_type.elem_type = onnx.TensorProto.UINT8
        front.insert(0, onnx.helper.make_node("Cast", ["x"], ["x_float"], to=onnx.TensorProto.FLOAT))
    proto.graph.node[0].input[0] = "x_planes"
    nodes = [*front, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    return proto
