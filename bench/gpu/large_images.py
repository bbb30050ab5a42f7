"""Top-1 of networks for 224 x 224 images at W4A4, tuned on the GPU as long as the section lasts."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

import gdfq_export as gq
from bench.gpu.needs import all_of, data_file, files, torch_gpu
from bench.gpu.section import Row, Section
from gdfq_export.support.not_measured import NotMeasured

NETWORKS = ("imagenet_mobilenetv2_224", "imagenet_tinydarknet_224")
_RECIPE = "w4a4-ort-cpu"
_IMAGES = "imagenet_val"
_SECONDS = 95.0
_OF_THE_BUDGET = 0.75  # of a section's seconds; imports and what a budget overshoots take the rest


def sections() -> list[Section]:
    """A section for each network."""
    return [
        Section(
            name=network,
            titles=(f"{network}, {_RECIPE}",),
            seconds=_SECONDS,
            missing=all_of(torch_gpu, files(f"models/{network}.onnx", _IMAGES)),
            measure=lambda network=network: _measure(network),
        )
        for network in NETWORKS
    ]


def _measure(network: str) -> Iterator[tuple[str, Row]]:
    budget = _OF_THE_BUDGET * _SECONDS
    with tempfile.TemporaryDirectory(prefix="gdfq-export-") as folder:
        result = gq.quantize(
            data_file(f"models/{network}.onnx"),
            _RECIPE,
            Path(folder) / "quantized.onnx",
            data=data_file(_IMAGES),
            run=gq.RunContext(device="cuda", budget_seconds=budget),
        )
    accuracy = result.report.accuracy
    if isinstance(accuracy, NotMeasured):
        raise RuntimeError(accuracy.reason)
    yield (
        f"{network}, {_RECIPE}",
        {
            "budget_seconds": budget,
            "images": accuracy.images,
            "top1": dataclasses.asdict(accuracy.top1),
            "agreement": dataclasses.asdict(accuracy.agreement),
            "seconds_by_phase": dict(result.report.seconds_by_phase),
        },
    )
