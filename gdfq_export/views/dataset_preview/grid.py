"""The images of a set as one grid of pixels with labels: the first of each class, not a selection.

Up to ten classes: rows belong to classes. More: one image each of as many classes as there is room for.
Enlarged images keep their pixels (a whole factor, no smoothing); reduced ones are averaged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from calib.input_spec import InputSpec

ROWS = COLUMNS = 10
MOST_TILES = 90
GAP = 8  # pixels between images
LINE = 16  # pixels above an image for its label


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Text at (x, y) pixels from the grid's top left corner: y is the middle of the line, x as `align` says."""

    text: str
    x: float
    y: float
    align: Literal["right", "center"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageGrid:
    """Pixels uint8 [H, W, 3] with white between the images, their labels, and a heading."""

    pixels: NDArray[np.uint8]
    labels: tuple[Label, ...]
    heading: str


def lay_grid(
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    input_spec: InputSpec,
    classes: int,
    width: int,
    height: int,
) -> ImageGrid:
    """Lay images [N, C, H, W] with labels [N] into at most `width` x `height` pixels."""
    by_class = classes <= ROWS
    drawn = [_as_picture(pixels) for pixels in input_spec.to_pixels(images[:1])]
    size = (drawn[0].shape[0], drawn[0].shape[1])
    rows = _rows_of_classes(labels, classes) if by_class else _one_of_each(labels, width / height, size)
    columns = max(len(row) for row in rows)
    above = 0 if by_class else LINE
    tile = _tile_size(size, width // columns - GAP, height // len(rows) - GAP - above)
    down, right = tile[0] + GAP + above, tile[1] + GAP
    pixels = np.full((len(rows) * down, columns * right, 3), 255, np.uint8)
    texts = []
    for row, positions in enumerate(rows):
        top = row * down + above
        for column, position in enumerate(positions):
            image = _tile(_as_picture(input_spec.to_pixels(images[position : position + 1])[0]), tile)
            pixels[top : top + tile[0], column * right : column * right + tile[1]] = image
            if not by_class:
                x = column * right + tile[1] / 2
                texts.append(Label(text=f"{labels[position]}", x=x, y=top - LINE / 2, align="center"))
    lines = len(rows) // classes
    for number in range(classes if by_class else 0):
        texts.append(Label(text=f"{number}", x=-12, y=number * lines * down + tile[0] / 2, align="right"))
    shown = sum(map(len, rows))
    heading = (
        "The first images" + (" of each class" if classes > 1 else "")
        if by_class
        else f"The first image of each of {shown} classes"
    )
    return ImageGrid(pixels=pixels, labels=tuple(texts), heading=heading)


def _rows_of_classes(labels: NDArray[np.int64], classes: int) -> list[Sequence[int]]:
    """Positions for each row; a class has several rows where classes are very few, an empty one where it has none."""
    lines = ROWS // classes
    rows: list[Sequence[int]] = []
    for number in range(classes):
        positions = np.flatnonzero(labels == number)[: lines * COLUMNS].tolist()
        rows += [positions[line * COLUMNS : (line + 1) * COLUMNS] for line in range(lines)]
    return rows


def _one_of_each(labels: NDArray[np.int64], aspect: float, size: tuple[int, int]) -> list[Sequence[int]]:
    """Positions of the first image of each class, in as many columns as suit a grid of this aspect."""
    _, first = np.unique(labels, return_index=True)
    positions = first[:MOST_TILES].tolist()
    columns = min(len(positions), math.ceil(math.sqrt(len(positions) * aspect * size[0] / size[1])))
    return [positions[start : start + columns] for start in range(0, len(positions), columns)]


def _as_picture(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels [H, W, C] as they are; a vector is a line, a signal a line for each channel, a volume its slices."""
    if pixels.ndim <= 2:
        return np.atleast_2d(pixels.T)[..., None]
    return pixels.reshape(-1, *pixels.shape[-2:])


def _tile_size(image: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    """Height and width an image is drawn with: a whole multiple of its own, or reduced to fit."""
    factor = min(height / image[0], width / image[1])
    if factor >= 1:
        factor = math.floor(factor)
    return max(1, int(image[0] * factor)), max(1, int(image[1] * factor))


def _tile(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """An image [H, W, C] as colours [height, width, 3]; other than three channels are averaged to grey."""
    if pixels.shape[2] != 3:
        grey = pixels.mean(2, keepdims=True).round().astype(np.uint8)
        pixels = np.repeat(grey, 3, axis=2)
    how = Image.Resampling.BOX if size[0] < pixels.shape[0] else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(pixels).resize((size[1], size[0]), how))
