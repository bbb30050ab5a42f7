"""The good file that faults are planted in: a W8A8 file of cifar10_resnet20 that passes every gate."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import onnx

import gdfq_export as gq
from calib.samplers import RealSet
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.frontend.sources.onnx_file import read_onnx
from gdfq_export.jobs.given_inputs import labelled_of
from gdfq_export.jobs.verify.evaluation_data import EvaluationData
from gdfq_export.jobs.verify.subject import Subject
from gdfq_export.jobs.verify.verify import verify
from gdfq_export.targets import find_target

__all__ = ["IMAGES", "GoodFile", "float_source", "make_good_file"]

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
class GoodFile:
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
            data=EvaluationData(labelled=labelled_of(self.images, self.network)),
            timing=gq.Timing(seconds=0),
            gating=gq.Gating(limits=GATES),
        )
        missed = [gate for gate in report.gates if not gate.passed]
        return "\n".join(f"{gate.name} {gate.verdict}: {gate.message}" for gate in missed)

    def copy(self) -> onnx.ModelProto:
        proto = onnx.ModelProto()
        proto.CopyFrom(self.file)
        return proto


def float_source() -> str:
    return f"{os.environ['GDFQ_EXPORT_DATA']}/models/cifar10_resnet20.onnx"


def make_good_file(folder: Path) -> GoodFile:
    data = os.environ["GDFQ_EXPORT_DATA"]
    network = load_model(float_source())
    every = RealSet.load(f"{data}/cifar10_test_dev.npz", network.input_spec, network.num_classes)
    images = RealSet(images=every.images[:IMAGES], labels=every.labels[:IMAGES], origin="cifar10_test_dev.npz")
    out = folder / "model.onnx"
    result = gq.quantize(network, "paper/noise", out, data=images, run=gq.RunContext(device="cpu"))
    result.bundle(folder / "bundle")
    return GoodFile(network=network, file=read_onnx(out), images=images, folder=folder)
