"""Unusable input: one sentence, exit code 2, no traceback, and the old outputs are there byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from calib.synthetic_set import SyntheticSet
from gdfq_export.cli.main import cli
from tests import tiny_graph

Arguments = list[str]


def network(*, classes: int = 3, head: bool = True) -> onnx.ModelProto:
    """A classifier of images [N, 1, 8, 8]: convolution, BatchNormalization, Relu, pooling, Gemm."""
    random = np.random.default_rng(0)
    four = {name: np.abs(random.normal(size=4)).astype(np.float32) for name in ("scale", "bias", "mean", "variance")}
    kernel = {"w": random.normal(size=(4, 1, 3, 3)).astype(np.float32)}
    nodes: list[tiny_graph.Node] = [
        ("Conv", ["x", "w"], ["c"], {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}),
        ("BatchNormalization", ["c", *four], ["n"]),
        ("Relu", ["n"], ["r"]),
    ]
    if head:
        nodes += [
            ("GlobalAveragePool", ["r"], ["p"]),
            ("Flatten", ["p"], ["f"]),
            ("Gemm", ["f", "g"], ["y"]),
        ]
        kernel["g"] = random.normal(size=(4, classes)).astype(np.float32)
    proto = tiny_graph.model(
        nodes=nodes, inputs={"x": ("N", 1, 8, 8)}, outputs=["y" if head else "r"], initializers={**kernel, **four}
    )
    return proto


def save(folder: Path, proto: onnx.ModelProto | None = None) -> str:
    """Write a network and its sidecar."""
    path = folder / "net.onnx"
    onnx.save(proto or network(), path)
    sidecar = {"input": [1, 8, 8], "preprocess": {"scale": 255, "mean": [0.5], "std": [0.5]}}
    (folder / "net.json").write_text(json.dumps(sidecar))
    return str(path)


def raw(folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def archive(folder: Path, **arrays: object) -> str:
    path = folder / "images.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return str(path)


def nan_weight(folder: Path) -> Arguments:
    proto = network()
    tensor = next(tensor for tensor in proto.graph.initializer if tensor.name == "w")
    values = onnx.numpy_helper.to_array(tensor).copy()
    values[0, 0, 0, 0] = np.nan
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, "w"))
    return [save(folder, proto)]


def cut(folder: Path) -> Arguments:
    content = Path(save(folder)).read_bytes()
    return [raw(folder, "cut.onnx", content[: len(content) // 2])]


def name_in_no_encoding(folder: Path) -> Arguments:
    content = Path(save(folder)).read_bytes()
    return [raw(folder, "net.onnx", content.replace(b"BatchNormalization_n", b"\xd7atchNormalization_n"))]


def unknown_operator(folder: Path) -> Arguments:
    proto = network()
    proto.graph.node[2].domain = "com.vendor"
    proto.opset_import.append(onnx.helper.make_opsetid("com.vendor", 1))
    return [save(folder, proto)]


def sidecar(folder: Path, text: str) -> Arguments:
    path = save(folder)
    (folder / "net.json").write_text(text)
    return [path]


def recipe(folder: Path, text: str) -> Arguments:
    return [save(folder), "--recipe", raw(folder, "mine.yaml", text.encode())]


def data(folder: Path, **arrays: object) -> Arguments:
    return [save(folder), "--data", archive(folder, **arrays)]


def calibration(folder: Path, size: int = 8, classes: int = 3) -> Arguments:
    path = folder / "calib.npz"
    images, logits = np.zeros((4, 1, size, size), np.float32), np.zeros((4, classes), np.float32)
    made = SyntheticSet(images=images, labels=np.zeros(4, np.int64), logits=logits, input_name="x", provenance={})
    made.save(path)
    return [save(folder), "--calibration", str(path)]


PIXELS, LABELS = np.zeros((6, 8, 8, 1), np.uint8), np.zeros(6, np.int64)

CASES: dict[str, tuple[Callable[[Path], Arguments], str]] = {
    "missing file": (lambda f: [str(f / "absent.onnx")], "absent.onnx does not exist"),
    "folder as model": (lambda f: [str(f)], "give a path to .onnx"),
    "unknown suffix": (lambda f: [raw(f, "net.h5", b"x")], "net.h5 has the suffix .h5"),
    "empty file": (lambda f: [raw(f, "net.onnx", b"")], "net.onnx is no ONNX model"),
    "no protobuf": (lambda f: [raw(f, "net.onnx", b"\xff" * 99)], "net.onnx is no ONNX model"),
    "cut file": (cut, "cut.onnx"),
    "name in no encoding": (name_in_no_encoding, "net.onnx"),
    "no pt2": (lambda f: [raw(f, "net.pt2", b"PK\x03\x04nothing")], "net.pt2"),
    "no such callable": (lambda f: ["no_such_package:network"], "no_such_package"),
    "callable is no network": (lambda f: ["math:tau"], "math:tau"),
    "not a classifier": (
        lambda f: [save(f, network(head=False)), "--task", "classify"],
        "is no network of the task classify",
    ),
    "one class": (lambda f: [save(f, network(classes=1)), "--task", "classify"], "with at least 2 classes"),
    "no such task": (lambda f: [save(f), "--task", "caption"], "'caption' is not one of"),
    "NaN weights": (nan_weight, "NaN"),
    "unknown operator": (unknown_operator, "com.vendor."),
    "sidecar is no JSON": (lambda f: sidecar(f, "{"), "net.json cannot be used"),
    "sidecar of another network": (lambda f: sidecar(f, '{"input": [3, 32, 32]}'), "net.json says that images are"),
    "mean of three channels": (
        lambda f: [save(f), "--mean", "0.4,0.5,0.6"],
        "one finite number for each of 1 channels",
    ),
    "std of zero": (lambda f: [save(f), "--std", "0"], "give positive numbers"),
    "scale of zero": (lambda f: [save(f), "--scale", "0"], "give a positive number"),
    "data without labels": (lambda f: data(f, images=PIXELS), "key `labels` is missing in"),
    "data of another size": (lambda f: data(f, images=PIXELS[:, :5], labels=LABELS), "images.npz"),
    "data of another type": (lambda f: data(f, images=PIXELS.astype(np.int32), labels=LABELS), "images.npz"),
    "fewer labels": (lambda f: data(f, images=PIXELS, labels=LABELS[:4]), "images.npz"),
    "labels of other classes": (lambda f: data(f, images=PIXELS, labels=LABELS + 3), "images.npz"),
    "no images": (lambda f: data(f, images=PIXELS[:0], labels=LABELS[:0]), "images.npz"),
    "missing data": (lambda f: [save(f), "--data", str(f / "no.npz")], "no.npz"),
    "data is no archive": (lambda f: [save(f), "--data", raw(f, "bad.npz", b"PK\x03\x04")], "bad.npz cannot be read"),
    "data folder without labels": (lambda f: [save(f), "--data", str(f)], "labels.csv"),
    "calibration without logits": (
        lambda f: [save(f), "--calibration", archive(f, images=PIXELS)],
        "`labels` is missing",
    ),
    "calibration of another size": (lambda f: calibration(f, size=4), "calib"),
    "calibration of other classes": (lambda f: calibration(f, classes=7), "calib"),
    "unknown recipe": (lambda f: [save(f), "--recipe", "w2a2-abacus"], "no recipe is named 'w2a2-abacus'"),
    "unknown recipe key": (
        lambda f: recipe(f, "name: x\ndata: {imags: 3}"),
        "unknown key data.imags (did you mean images?)",
    ),
    "missing recipe": (lambda f: [save(f), "--recipe", str(f / "no.yaml")], "cannot read the recipe"),
    "report into nowhere": (lambda f: [save(f), "--report", str(f / "no" / "r.json")], "create it first"),
    "report over the model": (lambda f: [save(f), "--report", str(f / "net.onnx")], "choose another name"),
    "wrong shape": (lambda f: [save(f), "--input-shape", "3x32x32"], "for instance 3,32,32"),
    "shape of another network": (lambda f: [save(f), "--input-shape", "3,32,32"], "make the two agree"),
}


edits = st.tuples(st.integers(0, 10_000), st.integers(0, 50), st.binary(max_size=4))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def quantize(arguments: Arguments) -> str:
    result = CliRunner().invoke(cli, ["quantize", *arguments])
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if not line.startswith("Warning: ")]
    assert sum(line.startswith("Error: ") for line in lines) == 1
    assert lines[-1].startswith("Error: ")
    return lines[-1]


@pytest.mark.parametrize("case", CASES)
def test_it_is_told_and_the_old_output_survives(case: str, tmp_path: Path) -> None:
    make, said = CASES[case]
    arguments = make(tmp_path)
    raw(tmp_path, "q.onnx", b"the old file")
    raw(tmp_path, "report.json", b"the old report")
    before = contents(tmp_path)
    assert said in quantize([*arguments, "--onnx-out", str(tmp_path / "q.onnx")])
    assert contents(tmp_path) == before


@hypothesis.settings(max_examples=60, derandomize=True)
@given(edits=st.lists(edits, min_size=1, max_size=8))
def test_a_damaged_file_is_read_or_refused(
    edits: list[tuple[int, int, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    content = bytearray(Path(save(folder)).read_bytes())
    for position, removed, inserted in edits:
        start = position % (len(content) + 1)
        content[start : start + removed] = inserted
    model = raw(folder, "net.onnx", bytes(content))
    result = CliRunner().invoke(cli, ["quantize", model, "--onnx-out", str(folder / "q.onnx"), "--dry-run"])
    assert result.exit_code in (0, 2), result.output


@pytest.mark.parametrize("out", ["absent/q.onnx", "", "/proc/q.onnx"])
def test_an_output_that_cannot_be_written_is_told_before_the_work(out: str, tmp_path: Path) -> None:
    assert "cannot write" in quantize([save(tmp_path), "--onnx-out", str(tmp_path / out)])


def test_the_good_network_is_not_refused(tmp_path: Path) -> None:
    arguments = ["quantize", save(tmp_path), "--onnx-out", str(tmp_path / "q.onnx"), "--dry-run"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "q.onnx").exists()
