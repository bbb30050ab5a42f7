"""What is read and how: for each kind of input a sound file, a mutation, and the functions that a command calls."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from bench.fuzz.mutate_bytes import mutate_bytes
from bench.fuzz.mutate_csv import mutate_csv
from bench.fuzz.mutate_json import mutate_json
from bench.fuzz.mutate_protobuf import mutate_onnx
from bench.fuzz.mutate_yaml import mutate_yaml
from bench.fuzz.mutate_zip import mutate_npz, mutate_pt2
from calib.errors import DataError
from calib.files.image_folder import read_image_folder
from calib.files.npz_images import read_npz_images
from calib.input_spec import InputSpec
from calib.synthetic_set import SyntheticSet
from gdfq_export.artifacts.manifest import open_bundle
from gdfq_export.errors import InputError
from gdfq_export.frontend.sources.load import load_model
from gdfq_export.jobs.compare.files import read_comparison
from gdfq_export.jobs.verify.subject import find_subject
from gdfq_export.lint.check import check
from gdfq_export.lint.inspect import inspect_model
from gdfq_export.qdq.read_back import read_back
from gdfq_export.recipe import load_recipe, recipe_to_yaml
from gdfq_export.recipe.gates import load_gates
from gdfq_export.report.baseline import read_baseline
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.support.checkpoints.run_folder import FORMAT, RUN, read_identity
from gdfq_export.support.checkpoints.state_file import read_facts, read_state, write_state
from gdfq_export.support.named_bytes import NamedBytes
from gdfq_export.tasks.detection.coco_labels import FILE as ANNOTATIONS
from gdfq_export.tasks.detection.coco_labels import read_coco
from gdfq_export.tasks.embedding.pairs import read_pair_data
from gdfq_export.tasks.segmentation.mask_data import read_mask_data

_TESTS = Path(__file__).parents[2] / "tests"
SPEC = InputSpec(shape=(1, 8, 8), scale=255.0, mean=(0.5,), std=(0.5,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One kind of input; `name` is what its file is called, `read` takes the file's path."""

    name: str
    title: str
    sound: Callable[[], bytes]
    mutate: Callable[[bytes, Random], bytes]
    read: Callable[[Path], object]


@functools.cache
def float_network() -> bytes:
    """A classifier of images [N, 1, 8, 8] with every form of field that readers look at."""
    random = np.random.default_rng(0)
    stored = {
        "w": random.normal(size=(4, 1, 3, 3)),
        **{name: np.abs(random.normal(size=4)) for name in ("scale", "bias", "mean", "variance")},
        "g": random.normal(size=(16, 3)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv", pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        helper.make_node("BatchNormalization", ["c", "scale", "bias", "mean", "variance"], ["n"], epsilon=1e-5),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("AveragePool", ["r"], ["a"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Reshape", ["a", "shape"], ["f"]),
        helper.make_node("Gemm", ["f", "g"], ["y"]),
    ]
    tensors = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in stored.items()]
    tensors.append(numpy_helper.from_array(np.array([-1, 16], np.int64), "shape"))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


@functools.cache
def quantized_network() -> bytes:
    """A Q/DQ file of the convolution of `float_network`, with its metadata."""
    model = onnx.load_from_string(float_network())
    numbers = {
        "s": np.float32(0.05), "z": np.int8(0), "ws": np.full(4, 0.02, np.float32), "wz": np.zeros(4, np.int8),
        "wq": np.arange(36, dtype=np.int8).reshape(4, 1, 3, 3),
    }  # fmt: skip
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items())
    pairs = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["x_q"]),
        helper.make_node("DequantizeLinear", ["x_q", "s", "z"], ["x_dq"]),
        helper.make_node("DequantizeLinear", ["wq", "ws", "wz"], ["w_dq"], axis=0),
    ]
    nodes = [*pairs, *model.graph.node]
    nodes[3].input[:] = ["x_dq", "w_dq"]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    facts = {"gdfq_export.target": "ort-cpu", "gdfq_export.preprocessing": '{"scale":255.0,"mean":[0.5],"std":[0.5]}'}
    helper.set_model_props(model, facts)
    return model.SerializeToString()


def _arrays(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _labelled() -> bytes:
    images = np.zeros((4, 8, 8, 1), np.uint8)
    pairs, same = np.array([[0, 1], [2, 3]]), np.array([0, 1])
    return _arrays(images=images, labels=np.arange(4) % 3, masks=np.zeros((4, 8, 8), np.uint8), pairs=pairs, same=same)


def _synthetic() -> bytes:
    buffer = {"images": np.zeros((4, 1, 8, 8), np.float32), "labels": np.zeros(4, np.int64)}
    texts = {"input_name": np.asarray("x"), "provenance": np.asarray('{"method": "noise", "seed": 0}')}
    return _arrays(**buffer, logits=np.zeros((4, 3), np.float32), **texts)


def _gates() -> bytes:
    return b"gates:\n  require_parity: true\n  min_agreement: 0.99\n  max_size_ratio: 0.5\n"


def _yaml() -> bytes:
    return recipe_to_yaml(load_recipe("w4a4-ort-cpu")).encode()


@functools.cache
def _pt2() -> bytes:
    layers = (torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.ReLU(), torch.nn.Flatten())
    network = torch.nn.Sequential(*layers, torch.nn.Linear(72, 3))
    batch = {0: torch.export.Dim("batch", min=1)}
    program = torch.export.export(network.eval(), (torch.zeros(2, 1, 8, 8),), dynamic_shapes=(batch,))
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def _coco() -> bytes:
    return json.dumps(
        {
            "images": [{"id": 1, "file_name": "a.png"}],
            "annotations": [{"image_id": 1, "category_id": 7, "bbox": [1, 1, 4, 4], "iscrowd": 0}],
            "categories": [{"id": 7}, {"id": 9}],
        }
    ).encode()


def _sidecar() -> bytes:
    content = {"input": [1, 8, 8], "classes": 3, "task": "classify"}
    return json.dumps({**content, "preprocess": {"scale": 255, "mean": [0.5], "std": [0.5]}}).encode()


def _manifest() -> bytes:
    listed = {name: "0" * 64 for name in ("model.onnx", "float.onnx", "float.json")}
    return json.dumps({"manifest_version": 1, "files": listed, "measurements": {}, "target": "ort-cpu"}).encode()


def _comparison() -> bytes:
    return (_TESTS / "jobs/compare/old_versions/format_1.json").read_bytes()


def _report() -> bytes:
    return (_TESTS / "report/old_versions/version_3.json").read_bytes()


def _read_labelled(path: Path) -> None:
    """All readers of an archive, each to its end, and then the first refusal."""
    refusals = []
    for read in (
        functools.partial(read_npz_images, path, SPEC, 3),
        functools.partial(read_mask_data, path, SPEC, binary=False),
        functools.partial(read_pair_data, path, SPEC),
    ):
        try:
            read()
        except DataError as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]


def _verify(path: Path) -> None:
    """What `verify` does before it measures: the file is parsed, simulated, checked and loaded."""
    subject = find_subject(path)
    proto = subject.proto
    if proto is None:
        return
    with contextlib.suppress(InputError):
        read_back(proto)
    check(proto, subject.target)
    session = OnnxRuntime().load(NamedBytes(proto.SerializeToString(), str(path)), 1)
    session.run(np.zeros((2, 1, 8, 8), np.float32))


def _read_coco(path: Path) -> None:
    Image.new("L", (8, 8)).save(path.parent / "a.png")
    read_coco(path.parent, SPEC)


def _labels() -> bytes:
    return b"file,label\r\na.png,0\r\nb.png,2\r\n"


def _picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (9, 8), 7).save(buffer, "PNG")
    return buffer.getvalue()


def _state() -> bytes:
    state = {"step": 3, "layers": ["conv"], "moments": (torch.arange(6.0).reshape(2, 3).T, torch.zeros(0))}
    with tempfile.TemporaryDirectory() as folder:
        write_state(path := Path(folder) / "phase.safetensors", state, {"seconds": 1.5})
        return path.read_bytes()


def _run() -> bytes:
    return json.dumps(
        {"format": FORMAT, "identity": {"command": "quantize", "seed": 0, "recipe": {"name": "x"}}}
    ).encode()


def _pairs() -> bytes:
    return b"first,second,same\r\na.png,b.png,0\r\nb.png,b.png,1\r\n"


def _read_pairs(path: Path) -> None:
    for name in ("a.png", "b.png"):
        (path.parent / name).write_bytes(_picture())
    read_pair_data(path.parent, SPEC)


def _read_labels(path: Path) -> None:
    for name in ("a.png", "b.png"):
        (path.parent / name).write_bytes(_picture())
    read_image_folder(path.parent, SPEC, 3)


def _read_picture(path: Path) -> None:
    (path.parent / "labels.csv").write_bytes(b"file,label\na.png,0\n")
    read_image_folder(path.parent, SPEC, 3)


def _read_state(path: Path) -> None:
    read_facts(path, "start anew")
    read_state(path, "start anew")


def _read_run(path: Path) -> None:
    read_identity(path, "start anew")


def _read_sidecar(path: Path) -> None:
    (path.parent / "net.onnx").write_bytes(float_network())
    load_model(path.parent / "net.onnx")


READERS = (
    Reader(name="net.onnx", title="ONNX, float", sound=float_network, mutate=mutate_onnx, read=inspect_model),
    Reader(name="net.int8.onnx", title="ONNX, Q/DQ", sound=quantized_network, mutate=mutate_onnx, read=_verify),
    Reader(name="net.pt2", title=".pt2", sound=_pt2, mutate=mutate_pt2, read=load_model),
    Reader(name="images.npz", title=".npz, labelled", sound=_labelled, mutate=mutate_npz, read=_read_labelled),
    Reader(name="set.npz", title=".npz, synthesized", sound=_synthetic, mutate=mutate_npz, read=SyntheticSet.load),
    Reader(name="recipe.yaml", title="YAML, recipe", sound=_yaml, mutate=mutate_yaml, read=load_recipe),
    Reader(name="gates.yaml", title="YAML, gates", sound=_gates, mutate=mutate_yaml, read=load_gates),
    Reader(name="net.json", title="JSON, sidecar", sound=_sidecar, mutate=mutate_json, read=_read_sidecar),
    Reader(name="report.json", title="JSON, report", sound=_report, mutate=mutate_json, read=read_baseline),
    Reader(name="comparison.json", title="JSON, compare", sound=_comparison, mutate=mutate_json, read=read_comparison),
    Reader(name="manifest.json", title="JSON, manifest", sound=_manifest, mutate=mutate_json, read=open_bundle),
    Reader(name=ANNOTATIONS, title="JSON, COCO", sound=_coco, mutate=mutate_json, read=_read_coco),
    Reader(name="labels.csv", title="CSV, labels", sound=_labels, mutate=mutate_csv, read=_read_labels),
    Reader(name="pairs.csv", title="CSV, pairs", sound=_pairs, mutate=mutate_csv, read=_read_pairs),
    Reader(name="a.png", title="PNG", sound=_picture, mutate=mutate_bytes, read=_read_picture),
    Reader(name="phase.safetensors", title="checkpoint, state", sound=_state, mutate=mutate_bytes, read=_read_state),
    Reader(name=RUN, title="checkpoint, run", sound=_run, mutate=mutate_json, read=_read_run),
)
