"""A network of an image and a vector: quantized, verified, bundled and drawn as any other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

import gdfq_export as gq
from gdfq_export.cli.main import cli
from gdfq_export.errors import InputError
from gdfq_export.jobs.result import Result
from tests import tiny_graph

RECIPE = """
name: quick
data: {method: refined, refinement: {steps: 2, batch: 16}}
calibration: {images: 16}
verify: {agreement_images: 16, parity_images: 16, latency_seconds: 0}
"""
SIDECAR = {
    "inputs": {"facts": {"preprocess": {"scale": 255, "mean": 0.5, "std": 0.25}}},
    "preprocess": {"scale": 255, "mean": [0.4, 0.4, 0.4], "std": 0.2},
}


def network() -> onnx.ModelProto:
    """Features of an image and of a vector, added, to five classes."""
    random = np.random.default_rng(0)
    shapes = {"w": (8, 3, 3, 3), "v": (8, 6), "u": (5, 8)}
    return tiny_graph.model(
        nodes=[
            ("Conv", ["image", "w"], ["c"], {"pads": [1] * 4}),
            ("Relu", ["c"], ["r"]),
            ("GlobalAveragePool", ["r"], ["p"]),
            ("Flatten", ["p"], ["f"]),
            ("Gemm", ["facts", "v"], ["g"], {"transB": 1}),
            ("Add", ["f", "g"], ["s"]),
            ("Relu", ["s"], ["t"]),
            ("Gemm", ["t", "u"], ["y"], {"transB": 1}),
        ],
        inputs={"image": ("n", 3, 12, 12), "facts": ("n", 6)},
        outputs=["y"],
        initializers={name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place: Path = tmp_path_factory.mktemp("several")
    onnx.save(network(), place / "net.onnx")
    (place / "net.json").write_text(json.dumps(SIDECAR))
    (place / "quick.yaml").write_text(RECIPE)
    return place


@pytest.fixture(scope="module")
def result(folder: Path) -> Result:
    made = gq.quantize(folder / "net.onnx", folder / "quick.yaml", folder / "net.int8.onnx")
    made.bundle(folder / "bundle")
    return made


def test_the_file_has_the_inputs_and_every_integer_is_as_simulated(result: Result) -> None:
    taken = [(value.name, len(value.type.tensor_type.shape.dim)) for value in result.onnx.graph.input]
    assert taken == [("image", 4), ("facts", 2)]
    assert result.report.parity.exact and not result.report.coverage.float_compute
    assert [(each.name, list(each.shape)) for each in result.report.input.inputs] == [
        ("image", [3, 12, 12]),
        ("facts", [6]),
    ]


def test_the_page_and_the_picture_name_the_inputs(result: Result) -> None:
    assert "preprocessing of image" in result.page and "input facts" in result.page
    assert result.images is not None and result.images.get_next().keys() == {"image", "facts"}


def test_the_bundle_is_verified_and_checks_itself(result: Result, folder: Path) -> None:
    report = gq.verify(folder / "bundle", options=gq.VerifyOptions(timing=gq.Timing(seconds=0)))
    assert report.parity.exact and report.passed
    check = subprocess.run(
        [sys.executable, folder / "bundle" / "check.py", "--seconds", "0"], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr
    assert "passed" in check.stdout


def test_real_data_has_an_array_for_each_input(result: Result, folder: Path) -> None:
    random = np.random.default_rng(0)
    data = {
        "image": random.integers(0, 256, (9, 12, 12, 3), np.uint8),
        "facts": random.uniform(-2, 2, (9, 6)).astype(np.float32),
        "labels": random.integers(0, 5, 9),
    }
    np.savez(folder / "data.npz", **data)
    words = ["verify", str(folder / "net.int8.onnx"), "--reference", str(folder / "net.onnx"), "--latency-seconds", "0"]
    good = CliRunner().invoke(cli, [*words, "--data", str(folder / "data.npz"), "--require-parity"])
    assert good.exit_code == 0, good.output
    for change, message in [
        ({"facts": data["facts"][:8]}, "have [9, 8] rows"),
        ({"facts": data["facts"][:, :5]}, "`facts` in"),
    ]:
        np.savez(folder / "bad.npz", **{**data, **change})
        bad = CliRunner().invoke(cli, [*words, "--data", str(folder / "bad.npz")])
        assert bad.exit_code == 2 and message in bad.stderr
    bad = CliRunner().invoke(cli, [*words, "--data", str(folder)])
    assert bad.exit_code == 2 and "give an .npz file with the arrays `image`, `facts`" in bad.stderr


def test_a_file_of_another_network_is_refused(result: Result, folder: Path) -> None:
    other = onnx.ModelProto()
    other.CopyFrom(result.onnx)
    other.graph.input.reverse()
    onnx.save(other, folder / "reversed.onnx")
    with pytest.raises(InputError, match=r"takes inputs of facts \[6\], image \[3, 12, 12\], the float network"):
        gq.verify(folder / "reversed.onnx", folder / "net.onnx")


class Pair(nn.Module):
    """Two images of one shape, through the same layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 4, 3)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        difference: Tensor = (self.layer(left) - self.layer(right)).mean((2, 3))
        return difference


def test_a_module_is_exported_with_the_names_of_its_arguments() -> None:
    torch.manual_seed(0)
    model = gq.load(Pair(), input_shape={"right": (1, 8, 8), "left": (1, 8, 8)})
    assert [*model.input_spec.by_name] == ["left", "right"] and model.input_spec.shape == (128,)
    with pytest.raises(InputError, match="no argument lift: its arguments are left, right"):
        gq.load(Pair(), input_shape={"lift": (1, 8, 8), "right": (1, 8, 8)})
    with pytest.raises(InputError, match="of several inputs NAME=C,H,W for each"):
        gq.load(Pair())


def test_shapes_are_given_by_name(tmp_path: Path) -> None:
    proto = network()
    for axis in (2, 3):
        proto.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"side{axis}"
    onnx.save(proto, tmp_path / "net.onnx")
    model = gq.load(tmp_path / "net.onnx", input_shape={"image": (3, 10, 10)})
    assert model.input_spec.by_name["image"].shape == (3, 10, 10)
    assert any("leaves the size of image open, the quantized file takes one" in said for said in model.warnings)
    with pytest.raises(InputError, match=r"gives the shape of one input, and the inputs of .* are image, facts"):
        gq.load(tmp_path / "net.onnx", input_shape=(3, 10, 10))
    with pytest.raises(InputError, match="gives the shape of the input images, and"):
        gq.load(tmp_path / "net.onnx", input_shape={"images": (3, 10, 10)})
    listed = CliRunner().invoke(
        cli, ["quantize", str(tmp_path / "net.onnx"), "--dry-run", "--input-shape", "image=3,10,10"]
    )
    assert listed.exit_code == 0, listed.output
    twice = CliRunner().invoke(
        cli, ["quantize", str(tmp_path / "net.onnx"), "--dry-run", "--input-shape", "3,9,9", "--input-shape", "a=6"]
    )
    assert twice.exit_code == 2 and "each with the name of its input" in twice.output


def test_an_input_with_the_name_of_another_array_is_refused(tmp_path: Path) -> None:
    proto = network()
    proto.graph.input[1].name = proto.graph.node[4].input[0] = "labels"
    onnx.save(proto, tmp_path / "net.onnx")
    with pytest.raises(InputError, match="an input called labels, which is another array"):
        gq.load(tmp_path / "net.onnx")
