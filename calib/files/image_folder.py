"""Labelled images from a folder with a labels.csv of the columns file and label.

The images lie next to labels.csv or in a folder `images` beside it. An image is cropped at its centre to the network's
size and never resized: resizing is part of a network's preprocessing, and a guess of it would change what is measured.
Pillow is imported here only.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.errors import DataError
from calib.files.checks import check_labels
from calib.files.npz_file import shortened_list
from calib.files.npz_images import several_inputs_text
from calib.files.regular_file import is_file
from calib.input_spec import InputSpec

MODES = {1: "L", 3: "RGB"}


def read_image_folder(
    folder: Path, input_spec: InputSpec, num_classes: int | None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Read normalised images float32 [N, C, H, W] and labels int64 [N], in the order of labels.csv.

    Raises:
        DataError: labels.csv or an image is missing or unreadable, an image is too small, or a label is out of range.
    """
    if input_spec.by_name:
        raise DataError(several_inputs_text(folder, input_spec))
    rows = _read_labels(folder / "labels.csv")
    labels = check_labels(np.asarray([label for _, label in rows]), len(rows), num_classes, str(folder / "labels.csv"))
    images = np.empty((len(rows), *input_spec.shape), dtype=np.float32)
    for position, (name, _) in enumerate(rows):
        images[position] = input_spec.normalize(read_pixels(folder, name, input_spec.shape)[None])[0]
    return images, labels


def _read_labels(path: Path) -> list[tuple[str, int]]:
    accepted = "give a CSV file with the header file,label and one row for each image"
    if not path.is_file():
        raise DataError(f"no file at {path}: {accepted}")
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            if not {"file", "label"} <= set(reader.fieldnames or ()):
                raise DataError(f"{path} has the columns {column_names(reader)}: {accepted}")
            rows = []
            for row in reader:
                try:
                    rows.append((row["file"], int(row["label"])))
                except (TypeError, ValueError) as error:
                    raise DataError(
                        f"label {str(row['label'])[:80]!r} in {path}, line {reader.line_num}, is not an integer: "
                        f"{accepted}"
                    ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as UTF-8 CSV: {accepted}") from error
    if not rows:
        raise DataError(f"{path} lists no images: {accepted}")
    return rows


def column_names(reader: csv.DictReader[str]) -> str:
    """The columns of a CSV file, shortened, for messages."""
    return shortened_list(list(reader.fieldnames or ())) or "of an empty file"


def read_pixels(folder: Path, name: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Read one image as pixels uint8 [H, W, C], cropped at the centre."""
    channels, height, width = shape
    if channels not in MODES:
        raise DataError(f"images in {folder} have 1 or 3 channels, the network takes {channels}: give an .npz file")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise DataError(f"image {name[:200]} is not below {folder}: list images by their names in it")
    path = next((place for place in (folder / name, folder / "images" / name) if is_file(place)), None)
    if path is None:
        raise DataError(f"image {name[:200]} is not in {folder}: put it there or in its folder images")
    return centre(read_picture(path, MODES[channels]), (height, width), path)


def read_picture(path: Path, mode: str | None) -> NDArray[np.uint8]:
    """Read an image file as pixels [H, W, C] in a mode of Pillow; None keeps the file's own.

    Raises:
        DataError: Pillow is missing, or cannot read the file.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError(f"reading {path} needs Pillow: pip install pillow, or give an .npz file") from error
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image if mode is None else image.convert(mode))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as an image: give JPEG or PNG") from error
    return pixels.reshape(*pixels.shape[:2], -1)


def centre(pixels: NDArray[np.uint8], size: tuple[int, ...], path: Path) -> NDArray[np.uint8]:
    """Crop pixels [H, W, C] at the centre to `size`, (height, width); nothing is resized.

    Raises:
        DataError: the image is smaller.
    """
    height, width = size
    if pixels.shape[0] < height or pixels.shape[1] < width:
        raise DataError(
            f"{path} is {pixels.shape[1]}x{pixels.shape[0]} pixels: give images of at least {width}x{height}, "
            "they are cropped, never resized"
        )
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]
