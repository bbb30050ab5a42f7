"""Faults planted in good files: which gate or rule catches each, and whether its message names the cause.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.planted_faults

A W8A8 file of cifar10_resnet20 is made with noise, which takes seconds, and passes every gate. Then one thing is
broken at a time, and the file is verified again. Writes bench/results/planted_faults.json and docs/faults.md.
`bench.good_files` asks whether good files raise an alarm.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
import torch
from onnx import numpy_helper

import gdfq_export as gq
from bench.good_files import draft_file
from bench.results_file import FOLDER, write_results
from calib.samplers import RealSet
from gdfq_export.artifacts.manifest import open_bundle
from gdfq_export.errors import GdfqExportError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.frontend.sources.onnx_file import read_onnx
from gdfq_export.jobs.verify.evaluation_data import EvaluationData
from gdfq_export.jobs.verify.subject import Subject
from gdfq_export.jobs.verify.verify import verify
from gdfq_export.lint.check import check
from gdfq_export.targets import find_target

PAGE = FOLDER.parent.parent / "docs" / "faults.md"
IMAGES = 500
GATES: dict[str, float | bool] = {
    "require-rules": True,
    "require-parity": True,
    "max-top1-drop-pp": 2.5,
    "min-agreement": 0.93,
    "min-integer-coverage": 1.0,
    "min-layer-snr-db": 15.0,
    "max-size-ratio": 0.3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is broken, what breaks it, the gate that has to say so, and what its message has to name."""

    title: str
    plant: Callable[[Good], str]
    gate: str
    names: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """A good file, its float network and labelled images; `folder` holds its bundle."""

    network: FloatModel
    file: onnx.ModelProto
    images: RealSet
    folder: Path

    def verified(self, proto: onnx.ModelProto, target: str = "ort-cpu", network: FloatModel | None = None) -> str:
        """Every gate that does not pass, with its message; empty for a good file."""
        report = verify(
            network or self.network,
            Subject(name="model.onnx", target=find_target(target), proto=proto),
            gq.RunContext(),
            data=EvaluationData(labelled=self.images),
            timing=gq.Timing(seconds=0),
            gating=gq.Gating(limits=GATES),
        )
        missed = [gate for gate in report.gates if not gate.passed]
        return "\n".join(f"{gate.name} {gate.verdict}: {gate.message}" for gate in missed)

    def copy(self) -> onnx.ModelProto:
        proto = onnx.ModelProto()
        proto.CopyFrom(self.file)
        return proto


def _layer(proto: onnx.ModelProto, index: int) -> onnx.NodeProto:
    return [node for node in proto.graph.node if node.op_type == "Conv"][index]


def _maker(proto: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(node for node in proto.graph.node if name in node.output)


def _change(proto: onnx.ModelProto, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    tensor = next(tensor for tensor in proto.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor).copy()), name))


def _wrong_scale(good: Good) -> str:
    proto = good.copy()
    pair = _maker(proto, _layer(proto, 5).input[0])
    _change(proto, pair.input[1], lambda scale: scale / 8)
    return good.verified(proto)


def _other_scale(good: Good) -> str:
    proto = good.copy()
    pair = _maker(proto, _layer(proto, 5).input[0])
    proto.graph.initializer.append(numpy_helper.from_array(np.float32(0.5), "another_scale"))
    pair.input[1] = "another_scale"
    return good.verified(proto)


def _swapped_channels(good: Good) -> str:
    proto = good.copy()
    weight = _maker(proto, _layer(proto, 4).input[1]).input[0]
    _change(proto, weight, lambda codes: np.roll(codes, 1, axis=0))
    return good.verified(proto)


def _float_layer(good: Good) -> str:
    proto = good.copy()
    layer = _layer(proto, 3)
    pair = _maker(proto, layer.input[1])
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    values = tensors[pair.input[0]].astype(np.float32) * tensors[pair.input[1]].reshape(-1, 1, 1, 1)
    proto.graph.initializer.append(numpy_helper.from_array(values, "float_weights"))
    layer.input[1] = "float_weights"
    return good.verified(proto)


def _wrong_bias_scale(good: Good) -> str:
    proto = good.copy()
    pair = _maker(proto, _layer(proto, 2).input[2])
    channels = len(numpy_helper.to_array(next(t for t in proto.graph.initializer if t.name == pair.input[0])))
    wrong = numpy_helper.from_array(np.full(channels, 0.01, np.float32), "wrong_bias_scale")
    proto.graph.initializer.append(wrong)
    pair.input[1] = "wrong_bias_scale"
    return good.verified(proto)


def _wrong_preprocessing(good: Good) -> str:
    network = load_model(_source(), mean=0.5, std=0.5)
    return good.verified(good.file, network=network)


def _saturating(good: Good) -> str:
    return good.verified(good.file, "ort-cpu-avx2")


def _for_tensorrt(good: Good) -> str:
    draft = draft_file(good.network, "tensorrt")
    pair = next(node for node in draft.graph.node if node.op_type == "QuantizeLinear")
    draft.graph.initializer.append(numpy_helper.from_array(np.int8(3), "zero_of_3"))
    reader = next(node for node in draft.graph.node if pair.output[0] in node.input)
    pair.input[2] = reader.input[2] = "zero_of_3"
    return "\n".join(finding.message for finding in check(draft, find_target("tensorrt")))


def _truncated(good: Good) -> str:
    path = good.folder / "cut.onnx"
    data = good.file.SerializeToString()
    path.write_bytes(data[: len(data) // 2])
    return _error(lambda: read_onnx(path))


def _stale_hash(good: Good) -> str:
    proto = good.copy()
    proto.doc_string = "touched"
    (good.folder / "bundle" / "model.onnx").write_bytes(proto.SerializeToString())
    return _error(lambda: open_bundle(good.folder / "bundle" / "manifest.json"))


def _error(act: Callable[[], Any]) -> str:
    try:
        act()
    except GdfqExportError as error:
        return f"exit code {error.exit_code}: {error}"
    return ""


def _faults(file: onnx.ModelProto) -> tuple[Fault, ...]:
    tensor = _maker(file, _layer(file, 5).input[0]).input[0].removesuffix("_q")
    return (
        Fault(
            title="scale of an activation an eighth of what it should be",
            plant=_wrong_scale,
            gate="max-top1-drop-pp",
            names=tensor,
        ),
        Fault(
            title="an activation dequantized with another scale",
            plant=_other_scale,
            gate="require-rules",
            names="scale",
        ),
        Fault(
            title="channels of a weight swapped",
            plant=_swapped_channels,
            gate="max-top1-drop-pp",
            names=_layer(file, 4).name,
        ),
        Fault(
            title="weights of a convolution left in float",
            plant=_float_layer,
            gate="min-integer-coverage",
            names=_layer(file, 3).name,
        ),
        Fault(title="scale of a bias", plant=_wrong_bias_scale, gate="max-top1-drop-pp", names=_layer(file, 2).name),
        Fault(
            title="zero point other than 0 in a file for TensorRT",
            plant=_for_tensorrt,
            gate="",
            names="zero point is 3",
        ),
        Fault(
            title="weights that saturate on a CPU without VNNI",
            plant=_saturating,
            gate="require-rules",
            names=_layer(file, 0).name,
        ),
        Fault(title="wrong preprocessing", plant=_wrong_preprocessing, gate="require-rules", names="mean"),
        Fault(title="file cut short", plant=_truncated, gate="exit code 2", names="cut short"),
        Fault(
            title="file changed after its manifest was written",
            plant=_stale_hash,
            gate="exit code 2",
            names="model.onnx",
        ),
    )


def _source() -> str:
    return f"{os.environ['GDFQ_EXPORT_DATA']}/models/cifar10_resnet20.onnx"


def _make_good(folder: Path) -> Good:
    data = os.environ["GDFQ_EXPORT_DATA"]
    network = load_model(_source())
    every = RealSet.load(f"{data}/cifar10_test_dev.npz", network.input_spec, network.num_classes)
    images = RealSet(images=every.images[:IMAGES], labels=every.labels[:IMAGES], origin="cifar10_test_dev.npz")
    out = folder / "model.onnx"
    result = gq.quantize(network, "paper/noise", out, data=images, run=gq.RunContext(device="cpu"))
    result.bundle(folder / "bundle")
    return Good(network=network, file=read_onnx(out), images=images, folder=folder)


@click.command()
def main() -> None:
    """Plant every fault, and say what catches it."""
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        good = _make_good(Path(folder))
        if alarm := good.verified(good.file):
            raise SystemExit(f"the good file does not pass: {alarm}")
        for fault in _faults(good.file):
            said = fault.plant(good).replace(f"{folder}/", "")
            caught = _line(said, fault)
            rows.append({"fault": fault.title, "caught": bool(caught), "said": caught or said})
            click.echo(f"{'caught' if caught else 'MISSED'}  {fault.title}: {caught or said}")
    write_results("planted_faults", {"images": IMAGES, "faults": rows})
    PAGE.write_text(_page(rows), encoding="utf-8")
    click.echo(f"wrote {PAGE}")


def _line(said: str, fault: Fault) -> str:
    """What the right gate said, if it names the cause."""
    lines = said.splitlines()
    return next((line for line in lines if line.startswith(fault.gate) and fault.names in line), "")


def _page(rows: list[dict[str, Any]]) -> str:
    lines = [
        "# Faults planted in good files",
        "",
        f"A W8A8 file of cifar10_resnet20 passes every gate on {IMAGES} labelled images. Then one fault is planted at",
        "a time. The table has the message of `gdfq-export verify`. `python -m bench.planted_faults` makes this page.",
        "",
        "| fault | message |",
        "| --- | --- |",
        *(f"| {row['fault']} | {row['said'].replace('|', '/').replace(chr(10), '; ')} |" for row in rows),
        *_good_files(),
    ]
    return "\n".join(lines) + "\n"


def _good_files() -> list[str]:
    """What the rules say of good files, where that was measured."""
    results = FOLDER / "good_files.json"
    if not results.exists():
        return []
    findings = json.loads(results.read_text(encoding="utf-8"))["findings"]
    alarms = {title: messages[0] for title, messages in findings.items() if messages}
    return [
        "",
        "## Good files",
        "",
        f"{len(findings)} good files, one per network of [coverage.md](coverage.md) and target, were checked with",
        f"the rules of their runtime: {len(alarms)} false alarms. `python -m bench.good_files` measures it.",
        *(f"* {title}: {message}" for title, message in alarms.items()),
    ]


if __name__ == "__main__":
    main()
