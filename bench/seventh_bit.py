"""What the form for every CPU costs: 7-bit weights (`ort-cpu-avx2`) beside 8-bit ones (`ort-cpu`), in accuracy.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.seventh_bit run imagenet_mobilenetv2_224 [--seed 0]
    python -m bench.seventh_bit page

Both files are made by the default recipe at W8A8, with the same synthesized images, and scored in ONNX Runtime on the
second half of the labelled images, on which nothing was chosen. FOLDER is that of bench.accuracy. Writes
bench/results/seventh_bit/NETWORK-seedN.json, and `page` the table of docs/cpus.md.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

import gdfq_export as gq
from bench.accuracy_cells import Cell
from bench.accuracy_run import Place, load_network, scored_images
from bench.results_file import FOLDER, replace_table, write_results
from gdfq_export.recipe import DEFAULT_RECIPE, load_recipe
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.support.confidence_interval import paired_difference_interval
from gdfq_export.tasks.classification.accuracy import Accuracy

RESULTS = FOLDER / "seventh_bit"
PAGE = FOLDER.parent.parent / "docs" / "cpus.md"
START, END = "<!-- made by bench.seventh_bit -->\n", "<!-- end of bench.seventh_bit -->\n"
NETWORKS = {
    "cifar10_resnet20": "ResNet-20, CIFAR-10",
    "cifar10_mobilenetv2": "MobileNetV2, CIFAR-10",
    "cifar10_shufflenet": "ShuffleNet, CIFAR-10",
    "imagenet_mobilenetv1_025_224": "MobileNetV1 0.25, 224 x 224",
    "imagenet_mobilenetv2_224": "MobileNetV2, 224 x 224",
    "imagenet_tinydarknet_224": "Tiny Darknet, 224 x 224",
}
TARGETS = ("ort-cpu", "ort-cpu-avx2")


@click.group()
def main() -> None:
    """Measure the cost of the seventh bit, and make the table of the page."""


@main.command()
@click.argument("network", type=click.Choice([*NETWORKS]))
@click.option("--seed", type=int, default=0, show_default=True)
def run(network: str, seed: int) -> None:
    """Quantize NETWORK for both targets, and score both files."""
    torch.set_num_threads(1)
    folder = os.environ.get("GDFQ_EXPORT_DATA")
    place = Place(folder=Path(folder) if folder else None, images=None)
    cell = Cell(network=network, bits="w8a8", method="ours", seed=seed)
    model = load_network(cell, place)
    scored, facts = scored_images(cell, place, model)
    recipe = load_recipe(DEFAULT_RECIPE)
    recipe = recipe.model_copy(update={"verify": recipe.verify.model_copy(update={"latency_seconds": 0.0})})
    answers, found, images = {}, {}, None
    for target in TARGETS:
        made = gq.quantize(
            model,
            recipe,
            target=target,
            data=scored,
            calibration=images,
            run=gq.RunContext(seed=seed, device="cpu"),
        )
        images = made.images
        accuracy = made.report.accuracy
        assert isinstance(accuracy, Accuracy)
        found[target] = {"top1": asdict(accuracy.top1), "agreement": asdict(accuracy.agreement)}
        logits = OnnxRuntime().load(made.onnx_bytes, 1).run(scored.images.numpy())
        answers[target] = logits.argmax(axis=1) == scored.labels.numpy()
    lost = _lost(*(answers[target] for target in TARGETS))
    path = write_results(
        f"seventh_bit/{network}-seed{seed}",
        {"network": network, "seed": seed, "scored": facts, "targets": found, "lost": lost},
    )
    click.echo(f"{_line(json.loads(path.read_text(encoding='utf-8')))}\nwrote {path}")


def _lost(eight: np.ndarray[Any, np.dtype[np.bool_]], seven: np.ndarray[Any, np.dtype[np.bool_]]) -> dict[str, Any]:
    """Top-1 that the file with 7-bit weights has less, in percentage points, from the images each has right."""
    only = int((eight & ~seven).sum()), int((seven & ~eight).sum())
    low, high = paired_difference_interval(*only, len(eight))
    return {
        "only_eight_right": only[0],
        "only_seven_right": only[1],
        "pp": 100 * (only[0] - only[1]) / len(eight),
        "low_pp": 100 * low,
        "high_pp": 100 * high,
    }


@main.command()
def page() -> None:
    """Write the table of docs/cpus.md."""
    replace_table(PAGE, table(results()), start=START, end=END)


def results() -> list[dict[str, Any]]:
    """All results, in the order of `NETWORKS`, then of seeds."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]
    return sorted(found, key=lambda each: [*NETWORKS].index(each["network"]))


def table(found: list[dict[str, Any]]) -> str:
    """One line for each result."""
    head = "| network | images | float | `ort-cpu` | `ort-cpu-avx2` | lost, points | agreement with float, both |"
    return "\n".join([head, "| --- " * head.count(" | ") + "| --- |", *map(_line, found)]) + "\n"


def _line(found: dict[str, Any]) -> str:
    eight, seven = (found["targets"][target] for target in TARGETS)
    lost = found["lost"]
    top1 = [eight["top1"]["float_network"], eight["top1"]["quantized"], seven["top1"]["quantized"]]
    cells = [
        NETWORKS[found["network"]],
        f"{found['scored']['images']:,}",
        *(f"{100 * each['value']:.2f}" for each in top1),
        f"{lost['pp']:+.2f} [{lost['low_pp']:+.2f}, {lost['high_pp']:+.2f}]",
        ", ".join(f"{100 * each['agreement']['value']:.2f}" for each in (eight, seven)),
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
