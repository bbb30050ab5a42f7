"""What quantization without data costs the trained networks, beside `quantize_static` on the same images.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.attention.accuracy TRAINED [NAME ...]

TRAINED is the folder that `bench.attention.training` wrote. Networks are scored on the second half of the CIFAR-10 test
images; the first half is there to choose settings on.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray

import gdfq_export as gq
from bench.attention.training import TRAINED, data_folder
from bench.peers import static_recommended
from bench.results_file import FOLDER, write_results
from gdfq_export.metrics.latency import Latency
from gdfq_export.metrics.parity import ParityResult
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.support.confidence_interval import paired_difference_interval

RECIPES = ("w8a8-ort-cpu", "w4a8-ort-cpu")
Array = NDArray[np.float32]


def scored_images(network: Path) -> tuple[Array, NDArray[np.int64]]:
    """Images [N, 3, 32, 32], preprocessed, and labels [N] of the second half."""
    given = json.loads(network.with_suffix(".json").read_text())["preprocess"]
    stored = np.load(data_folder() / "cifar10_test_dev.npz")
    half = len(stored["labels"]) // 2
    images = stored["images"][half:].transpose(0, 3, 1, 2).astype(np.float32) / np.float32(given["scale"])
    mean, deviation = (np.float32(given[key]).reshape(1, 3, 1, 1) for key in ("mean", "std"))
    return (images - mean) / deviation, stored["labels"][half:]


def measure(network: Path, recipe: str) -> dict[str, Any]:
    """One network by one recipe."""
    images, labels = scored_images(network)
    started = time.perf_counter()
    result = gq.quantize(network, recipe, run=gq.RunContext(device="cpu"))
    seconds = time.perf_counter() - started
    right = _right(network.read_bytes(), images, labels)
    parity, latency = result.report.parity, result.report.latency
    facts = {
        "images": len(images),
        "seconds": round(seconds, 1),
        "exact": isinstance(parity, ParityResult) and parity.exact,
        "speedup": round(latency.speedup.value, 2) if isinstance(latency, Latency) else None,
        "float_top1": 100 * float(right.mean()),
        **_drop(right, _right(result.onnx_bytes, images, labels)),
    }
    if recipe == RECIPES[0] and result.images is not None:
        with TemporaryDirectory() as folder:
            calibration = torch.as_tensor(result.images.images)
            file = static_recommended(network, calibration, Path(folder)).read_bytes()
        facts["quantize_static"] = _drop(right, _right(file, images, labels))
    return facts


def _right(file: bytes, images: Array, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each image is classified right."""
    return np.asarray(OnnxRuntime().load(file, 1).run(images).argmax(1) == labels)


def _drop(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> dict[str, float]:
    """Percentage points that are lost, with their 95 % interval."""
    lost, won, total = int((before & ~after).sum()), int((after & ~before).sum()), len(before)
    low, high = paired_difference_interval(lost, won, total)
    return {"drop_pp": 100 * (lost - won) / total, "drop_low_pp": 100 * low, "drop_high_pp": 100 * high}


@click.command()
@click.argument("trained", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("names", nargs=-1, type=click.Choice([*TRAINED]))
def main(trained: Path, names: tuple[str, ...]) -> None:
    """Quantize the networks called NAMES (all by default) of the folder TRAINED, and enter their results."""
    torch.set_num_threads(1)
    results = FOLDER / "attention.json"
    found = json.loads(results.read_text())["networks"] if results.is_file() else {}
    for name in names or TRAINED:
        for recipe in RECIPES:
            facts = measure(trained / f"{name}.onnx", recipe)
            click.echo(f"{name} {recipe}: {json.dumps(facts)}")
            found[f"{name} {recipe}"] = facts
            write_results("attention", {"networks": found})


if __name__ == "__main__":
    main()
