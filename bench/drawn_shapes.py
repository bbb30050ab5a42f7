"""Drawn images with labels, for small networks that are trained from scratch: shapes on a background of two colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gdfq_export.tasks.detection.detections import Detections

SIDE = 64
KINDS = ("disc", "square", "triangle", "ring", "cross")

_MOST = 3  # shapes of an image
_SIZES = (7.0, 14.0)  # half the width of a shape, pixels
_NOISE = 0.03

Images = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Images `[N, 3, 64, 64]`, values 0 to 1, and the objects in each."""

    images: Images
    objects: tuple[Detections, ...]


def draw_scenes(count: int, seed: int, *, kinds: int = 3) -> Drawn:
    """One to three shapes an image, of the first kinds, that overlap little."""
    random = np.random.default_rng(seed)
    images = np.stack([_background(random) for _ in range(count)])
    objects = []
    for image in images:
        boxes: list[list[float]] = []
        labels = []
        for _ in range(random.integers(1, _MOST + 1)):
            half = random.uniform(*_SIZES)
            x, y = random.uniform(half, SIDE - half, 2)
            box = [x - half, y - half, x + half, y + half]
            if all(min(box[2] - b[0], b[2] - box[0], box[3] - b[1], b[3] - box[1]) < 0 for b in boxes):
                label = int(random.integers(kinds))
                _paint(image, _mask(KINDS[label], x, y, half), random)
                boxes.append(box)
                labels.append(label)
        objects.append(Detections.of(boxes, np.ones(len(boxes)), labels))
    return Drawn(images=_with_noise(images, random), objects=tuple(objects))


def draw_single(count: int, seed: int) -> tuple[Images, NDArray[np.int64]]:
    """One shape of any kind in each of `count` images, and its kind."""
    random = np.random.default_rng(seed)
    images = np.stack([_background(random) for _ in range(count)])
    kinds = random.integers(len(KINDS), size=count)
    for image, kind in zip(images, kinds, strict=True):
        half = random.uniform(*_SIZES) * 1.5
        x, y = random.uniform(half, SIDE - half, 2)
        _paint(image, _mask(KINDS[kind], x, y, half), random)
    return _with_noise(images, random), kinds


def _background(random: np.random.Generator) -> Images:
    ends = random.uniform(0, 0.5, (2, 3, 1, 1)).astype(np.float32)
    ramp = np.linspace(0, 1, SIDE, dtype=np.float32).reshape(1, 1, SIDE)
    image: Images = np.broadcast_to(ends[0] * ramp + ends[1] * (1 - ramp), (3, SIDE, SIDE)).copy()
    return image


def _mask(kind: str, x: float, y: float, half: float) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    right, down = (columns - x) / half, (rows - y) / half
    inside = np.maximum(abs(right), abs(down)) <= 1
    masks = {
        "disc": right**2 + down**2 <= 1,
        "square": inside,
        "triangle": inside & (abs(right) <= (down + 1) / 2),
        "ring": (right**2 + down**2 <= 1) & (right**2 + down**2 >= 0.3),
        "cross": inside & (np.minimum(abs(right), abs(down)) <= 0.3),
    }
    return masks[kind]


def _paint(image: Images, mask: NDArray[np.bool_], random: np.random.Generator) -> None:
    image[:, mask] = random.uniform(0.5, 1.0, (3, 1))


def _with_noise(images: Images, random: np.random.Generator) -> Images:
    noisy: Images = np.clip(images + random.normal(0, _NOISE, images.shape), 0, 1).astype(np.float32)
    return noisy
