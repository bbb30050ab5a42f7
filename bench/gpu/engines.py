"""TensorRT engines of float32, float16 and quantized files: built, compared with float, timed with CUDA events."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16

import gdfq_export as gq
from bench.gpu.needs import all_of, files, tensorrt, torch_gpu
from bench.gpu.section import Row, Section
from bench.latency import FLOAT, REAL, Contestant, made_contestants, network_of, timed
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.verify.verify import VerifyOptions

NETWORKS = (REAL, "resnet18")
HALF = "float16, TensorRT"
_BACKEND = "tensorrt"
_BATCHES = (1, 8)
_SECONDS, _TIMED_SECONDS = 65.0, 8.0
_FILES = (FLOAT[_BACKEND], HALF, "ours W8A8, tensorrt", "ours W4A4, tensorrt")


def sections() -> list[Section]:
    """A section for each network."""
    return [
        Section(
            name=f"engines-{network}",
            titles=(*_titles(network), f"{network}, engine verified"),
            seconds=_SECONDS,
            missing=all_of(torch_gpu, tensorrt, files(f"models/{network}.onnx") if network == REAL else lambda: ""),
            measure=lambda network=network: _measure(network),
        )
        for network in NETWORKS
    ]


def _titles(network: str) -> list[str]:
    return [f"{network} batch {batch}, {file}" for batch in _BATCHES for file in _FILES]


def _measure(name: str) -> Iterator[tuple[str, Row]]:
    model = network_of(name)
    with tempfile.TemporaryDirectory(prefix="gdfq-export-") as scratch:
        folder = Path(scratch)
        found, _ = made_contestants(name, model, folder, (_BACKEND,))
        found[HALF] = Contestant(file=_half(model, folder), backend=_BACKEND)
        for batch in _BATCHES:
            rows, missing = timed(found, model, batch, 1, _TIMED_SECONDS)
            if missing:
                raise RuntimeError(next(iter(missing.values())))
            yield from ((f"{name} batch {batch}, {title}", row) for title, row in rows.items())
        quantized = found["ours W8A8, tensorrt"].file
        report = gq.verify(quantized, folder / "float.onnx", options=VerifyOptions(target=_BACKEND))
        yield f"{name}, engine verified", json.loads(report.to_json())


def _half(model: FloatModel, folder: Path) -> Path:
    """The float network with weights, inputs and outputs in float16."""
    path = folder / "float16.onnx"
    onnx.save(convert_float_to_float16(model.original), path)
    return path
