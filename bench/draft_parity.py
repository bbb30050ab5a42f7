"""Parity on every CPU of many networks: drafts at several bit widths, 8 drawn images each.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.draft_parity run cifar10_resnet20 --bits w4a8 --target ort-cpu
    python -m bench.draft_parity page

A draft has ranges from 8 images and is not tuned, so that a network takes seconds; its kernels are those of a tuned
file. Images are noise of several sizes of grain. FOLDER holds models/; weights of MobileNetV3 and EfficientNet are
drawn. Writes bench/results/draft_parity/NETWORK-BITS-TARGET.json, and `page` the table of docs/cpus.md.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray

import gdfq_export as gq
from bench.results_file import FOLDER, replace_table, write_results
from bench.usual_networks import load_drawn
from gdfq_export.jobs.draft_model import write_draft
from gdfq_export.metrics.parity import parity
from gdfq_export.recipe import Bits, load_recipe
from gdfq_export.runtimes.emulation import NATIVE, Emulator
from gdfq_export.runtimes.emulation.session import EmulatedOnnxRuntime
from gdfq_export.runtimes.onnxruntime import OnnxRuntime

RESULTS = FOLDER / "draft_parity"
PAGE = FOLDER.parent.parent / "docs" / "cpus.md"
START, END = "<!-- made by bench.draft_parity -->\n", "<!-- end of bench.draft_parity -->\n"
NETWORKS = {
    "demo": "demo",
    "cifar10_resnet8_mlperftiny": "ResNet-8, CIFAR-10",
    "cifar10_resnet20": "ResNet-20, CIFAR-10",
    "cifar10_resnet20_cy": "ResNet-20 of another export, CIFAR-10",
    "cifar100_resnet20_cy": "ResNet-20, CIFAR-100",
    "cifar10_resnet32": "ResNet-32, CIFAR-10",
    "cifar10_resnet18": "ResNet-18, CIFAR-10",
    "cifar10_resnet50": "ResNet-50, CIFAR-10",
    "cifar10_mobilenetv2": "MobileNetV2, CIFAR-10",
    "cifar10_shufflenet": "ShuffleNet, CIFAR-10",
    "imagenet_mobilenetv1_025_224": "MobileNetV1 0.25, 224 x 224",
    "imagenet_mobilenetv2_224": "MobileNetV2, 224 x 224",
    "mobilenetv3_small_w1": "MobileNetV3 small, 224 x 224",
    "efficientnet_b0": "EfficientNet-B0, 224 x 224",
}
_DRAWN = ("mobilenetv3_small_w1", "efficientnet_b0")
BITS = {"w8a8": Bits(), "w4a8": Bits(weights=4), "w4a4": load_recipe("w4a4-ort-cpu").bits}
TARGETS = {
    "ort-cpu": ("native", "cortex-a53", "cortex-a76"),
    "ort-cpu-avx2": ("native", "cortex-a53", "cortex-a76", "haswell", "nehalem"),
}
_IMAGES, _BATCH = 8, 4


@click.group()
def main() -> None:
    """Measure parity of drafts on several CPUs, and make the table of the page."""


@main.command()
@click.argument("network", type=click.Choice([*NETWORKS]))
@click.option("--bits", type=click.Choice([*BITS]), default="w8a8", show_default=True)
@click.option("--target", type=click.Choice([*TARGETS]), default="ort-cpu", show_default=True)
def run(network: str, bits: str, target: str) -> None:
    """Write a draft of NETWORK, and compare its integers on every CPU of the target."""
    torch.set_num_threads(1)
    model = _load(network)
    draft = write_draft(model, target, BITS[bits], torch.from_numpy(_drawn(model, seed=0)))
    images, found = _drawn(model, seed=1), {}
    for cpu in TARGETS[target]:
        runtime = OnnxRuntime() if cpu == NATIVE else EmulatedOnnxRuntime(Emulator.require(), cpu)
        same = parity(draft.file, draft.exact.run, images, _BATCH, source="drawn images", backend=runtime)
        found[cpu] = {"exact": same.exact, "integers": same.elements, "differing": same.differing}
    about = {"network": network, "bits": bits, "target": target, "images": _IMAGES, "emulator": "qemu-user"}
    path = write_results(f"draft_parity/{network}-{bits}-{target}", {**about, "cpus": found})
    click.echo(f"{network} {bits} {target}: {found}\nwrote {path}")


def _load(name: str) -> gq.FloatModel:
    if name in _DRAWN:
        return load_drawn(name)
    return gq.load(None if name == "demo" else f"{os.environ['GDFQ_EXPORT_DATA']}/models/{name}.onnx")


def _drawn(model: gq.FloatModel, seed: int) -> NDArray[np.float32]:
    """Images `[8, C, H, W]` of noise whose grains are a pixel, a 16th and a quarter of the height."""
    spec, random = model.input_spec, np.random.default_rng(seed)
    channels, height, width = spec.shape
    total = np.zeros((_IMAGES, channels, height, width))
    for grain in (max(height // 4, 1), max(height // 16, 1), 1):
        noise = random.normal(size=(_IMAGES, channels, -(-height // grain), -(-width // grain)))
        total += np.kron(noise, np.ones((1, 1, grain, grain)))[:, :, :height, :width]
    low, high = (np.asarray(ends, np.float64).reshape(-1, 1, 1) for ends in (spec.low, spec.high))
    return np.clip((total * 0.2 + 0.5) * (high - low) + low, low, high).astype(np.float32)


@main.command()
def page() -> None:
    """Write the table of docs/cpus.md."""
    replace_table(PAGE, table(results()), start=START, end=END)


def results() -> list[dict[str, Any]]:
    """All results, as they lie in the folder."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(RESULTS).glob("*.json"))]


def table(found: list[dict[str, Any]]) -> str:
    """One line for each network; a cell has the integers that differ on all CPUs of the target together."""
    columns = [(target, bits) for target in TARGETS for bits in BITS]
    heads = ["network", "integers", *(f"`{target}`, {bits.upper()}" for target, bits in columns)]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for name, title in NETWORKS.items():
        cells = {(each["target"], each["bits"]): each["cpus"] for each in found if each["network"] == name}
        if cells:
            count = max(cpu["integers"] for cpus in cells.values() for cpu in cpus.values())
            texts = [_cell(cells.get(column, {})) for column in columns]
            lines.append(f"| {' | '.join((title, f'{count:,}', *texts))} |")
    return "\n".join(lines) + "\n"


def _cell(cpus: dict[str, Any]) -> str:
    return f"{sum(cpu['differing'] for cpu in cpus.values()):,}; {len(cpus)} CPUs" if cpus else ""


if __name__ == "__main__":
    main()
