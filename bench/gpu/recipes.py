"""One recipe on the GPU and on the CPU: seconds of both, and how the two files differ."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gdfq_export as gq
from bench.gpu.file_differences import file_differences
from bench.gpu.needs import data_file, torch_gpu
from bench.gpu.section import Row, Section
from gdfq_export.recipe import load_recipe
from gdfq_export.support.clocks.device_clock import wait_for_device

RECIPES = ("w8a8-ort-cpu", "w4a4-ort-cpu", "w8a8-finetuned-ort-cpu")
_NETWORK = "models/cifar10_resnet20.onnx"
_SECONDS = 75.0


def sections() -> list[Section]:
    """A section for each recipe."""
    return [
        Section(
            name=recipe,
            titles=(f"{recipe}, GPU", f"{recipe}, CPU"),
            seconds=_SECONDS,
            missing=torch_gpu,
            measure=lambda recipe=recipe: _measure(recipe),
        )
        for recipe in RECIPES
    ]


def _measure(name: str) -> Iterator[tuple[str, Row]]:
    network = data_file(_NETWORK)
    model = network if network.exists() else None
    recipe = load_recipe(name)
    recipe = recipe.model_copy(update={"verify": recipe.verify.model_copy(update={"latency_seconds": 0})})
    with tempfile.TemporaryDirectory(prefix="gdfq-export-") as folder:
        files, seconds = {}, {}
        gq.quantize(None, "paper/noise", run=gq.RunContext(device="cuda"))  # starts CUDA and loads its kernels
        for device in ("cuda", "cpu"):
            files[device] = Path(folder) / f"{device}.onnx"
            wait_for_device()
            started = time.perf_counter()
            result = gq.quantize(model, recipe, files[device], run=gq.RunContext(device=device))
            seconds[device] = time.perf_counter() - started
            row: dict[str, Any] = {
                "network": "demo" if model is None else network.stem,
                "seconds": seconds[device],
                "seconds_by_phase": dict(result.report.seconds_by_phase),
                "agreement": getattr(getattr(result.report.agreement, "agreement", None), "value", None),
            }
            if device == "cpu":
                row["gpu_faster_by"] = seconds["cpu"] / seconds["cuda"]
                row["difference_from_gpu"] = file_differences(files["cpu"], files["cuda"]).to_json()
            yield f"{name}, {'GPU' if device == 'cuda' else 'CPU'}", row
