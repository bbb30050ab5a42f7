"""How often the in-domain check flags sets of 64 images: right ones, and those prepared wrongly or of another domain.

    python -m bench.in_domain FOLDER [--network NAME]... [--half second] [--images 256] [--sets 300]

FOLDER holds models/NAME.onnx with sidecar files, cifar10_test_dev.npz, imagenet_val/ and doc_pages/ (docs/accuracy.md).
Each image runs once through the float network; sets are drawn from the moments of single images, which add up to what
`gdfq_export.metrics.in_domain` measures on a set. Its limit was chosen on the first halves of the images.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

import gdfq_export as gq
from calib.statistics import batch_norms, normalized_distance
from gdfq_export.metrics import in_domain

NETWORKS = (
    "cifar10_resnet20",
    "cifar10_mobilenetv2",
    "imagenet_mobilenetv1_025_224",
    "imagenet_mobilenetv2_224",
)
SET = 64
RESULTS = Path(__file__).parent / "results" / "in_domain.json"
Pixels = NDArray[np.uint8]
Moments = list[tuple[NDArray[np.float32], NDArray[np.float32]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--network", action="append", choices=NETWORKS)
    parser.add_argument("--half", choices=("first", "second"), default="second")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--sets", type=int, default=300)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    found = json.loads(options.out.read_text()) if options.out.exists() else {}
    for name in options.network or NETWORKS:
        found[f"{name}, {options.half} half"] = run(options, name)
        options.out.write_text(json.dumps(found, indent=2) + "\n")


def run(options: argparse.Namespace, name: str) -> dict[str, Any]:
    """Share of flagged sets, and the distances, by kind of images."""
    model = gq.load(options.folder / "models" / f"{name}.onnx")
    spec, teacher = model.input_spec, model.teacher
    random = np.random.default_rng(("first", "second").index(options.half))
    pixels = images_by_kind(options, spec.shape[1], random)
    mean, std = (np.asarray(values, np.float32).reshape(1, -1, 1, 1) for values in (spec.mean, spec.std))

    def prepared(images: Pixels, factor: float = 1.0, *, normalized: bool = True) -> NDArray[np.float32]:
        raw = images.astype(np.float32).transpose(0, 3, 1, 2) / np.float32(spec.scale) * np.float32(factor)
        return (raw - mean) / std if normalized else raw

    right = pixels.pop("right")
    inputs = {"right": prepared(right), "channels reversed": prepared(right[..., ::-1])}
    inputs |= {"not divided by 255": prepared(right, 255.0), "divided by 255 twice": prepared(right, 1 / 255)}
    inputs |= {"mean and std left out": prepared(right, normalized=False)}
    inputs |= {kind: prepared(images) for kind, images in pixels.items()}
    moments = {kind: moments_of(teacher, images) for kind, images in inputs.items()}
    moments["right, reversed"] = moments["channels reversed"]
    moments["channels reversed, reversed"] = moments["right"]
    rows = {}
    for kind in inputs:
        reversed_kind = f"{kind}, reversed"
        flags, distances = [], []
        for _ in range(options.sets):
            drawn = random.choice(len(inputs[kind]), min(SET, len(inputs[kind])), replace=False)
            layers = distances_of(teacher, moments[kind], drawn)
            distance = sum(layers) / len(layers)
            flagged = distance > in_domain.LIMIT
            if reversed_kind in moments:
                other = distances_of(teacher, moments[reversed_kind], drawn)
                flagged |= sum(math.log(a / b) for a, b in list(zip(layers, other, strict=True))[:6]) > 0
            flags.append(flagged)
            distances.append(distance)
        low, middle, high = (float(f"{value:.4g}") for value in np.percentile(distances, (1, 50, 99)))
        rows[kind] = {"sets": options.sets, "flagged": float(np.mean(flags)), "distance_1_50_99": [low, middle, high]}
        print(f"{name} {options.half} {kind:24} flagged {np.mean(flags):.1%} distance {low} {middle} {high}")
    return rows


def images_by_kind(options: argparse.Namespace, size: int, random: np.random.Generator) -> dict[str, Pixels]:
    """Right images, and those of other domains, [N, size, size, 3]; a half has every second file."""

    def half(count: int) -> NDArray[np.int64]:
        return random.permutation(np.arange(count)[options.half == "second" :: 2])[: options.images]

    cifar = np.load(options.folder / "cifar10_test_dev.npz")["images"]
    right = cifar[half(len(cifar))]
    if size != right.shape[1]:
        files = sorted((options.folder / "imagenet_val").rglob("*.[jJ][pP]*"))
        right = np.stack([_cropped(files[index], size) for index in half(len(files))])
    pages = sorted((options.folder / "doc_pages").glob("*.jp*"))[options.half == "second" :: 2]
    digits = load_digits().images[half(1797)]
    return {
        "right": right,
        "document pages": np.stack([_part(pages[i % len(pages)], size, random) for i in range(options.images)]),
        "handwritten digits": np.stack([_resized(np.uint8(digit * 15.9), size) for digit in digits]),
        "noise": random.integers(0, 256, (options.images, size, size, 3), dtype=np.uint8),
    }


def moments_of(teacher: nn.Module, images: NDArray[np.float32]) -> Moments:
    """Mean and mean square [N, C] of each image at each BatchNorm layer."""
    parts: list[list[tuple[torch.Tensor, torch.Tensor]]] = []
    layers = batch_norms(teacher)

    def keep(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        places = (*range(2, inputs[0].dim()),)
        parts[-1].append((inputs[0].mean(places), inputs[0].square().mean(places)))

    handles = [layer.register_forward_pre_hook(keep) for layer in layers]
    with torch.no_grad():
        for batch in torch.from_numpy(np.ascontiguousarray(images)).split(32):
            parts.append([])
            teacher(batch)
    for handle in handles:
        handle.remove()
    return [tuple(torch.cat([part[i][j] for part in parts]).numpy() for j in (0, 1)) for i in range(len(layers))]  # type: ignore[misc]


def distances_of(teacher: nn.Module, moments: Moments, drawn: NDArray[np.int64]) -> list[float]:
    """The distance of each BatchNorm layer on the images that were drawn."""
    found = []
    for layer, (means, squares) in zip(batch_norms(teacher), moments, strict=True):
        mean = torch.from_numpy(means[drawn].mean(0, dtype=np.float64))
        square = torch.from_numpy(squares[drawn].mean(0, dtype=np.float64))
        found.append(normalized_distance(layer, mean, (square - mean.square()).clamp(min=0)).item())
    return found


def _cropped(file: Path, size: int) -> Pixels:
    image = Image.open(file).convert("RGB")
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return np.asarray(image.crop((left, top, left + size, top + size)))


def _part(page: Path, size: int, random: np.random.Generator) -> Pixels:
    """A square of a page as wide as the page."""
    image = Image.open(page).convert("RGB")
    side = min(image.size)
    top = int(random.integers(image.height - side + 1))
    return np.asarray(image.crop((0, top, side, top + side)).resize((size, size), Image.Resampling.BILINEAR))


def _resized(digit: Pixels, size: int) -> Pixels:
    return np.asarray(Image.fromarray(digit).resize((size, size), Image.Resampling.BILINEAR).convert("RGB"))


if __name__ == "__main__":
    main()
