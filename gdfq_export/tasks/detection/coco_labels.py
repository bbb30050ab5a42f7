"""Images with the objects in them: a folder with COCO's annotations.

`annotations.json` has `images` (id, file_name), `annotations` (image_id, category_id, bbox as left, top, width, height
in pixels, iscrowd) and `categories` (id). Class 0 of the network is the category of the smallest id, and so on. Images
are cropped at the centre and never resized; an object of which less than half is left counts as a crowd.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calib.errors import DataError
from calib.files.image_folder import read_pixels
from calib.files.npz_images import several_inputs_text
from calib.input_spec import InputSpec
from gdfq_export.support.files import parse_json, read_text
from gdfq_export.tasks.detection.coco_matching import LabelledObjects
from gdfq_export.tasks.detection.detections import Array
from gdfq_export.tasks.labelled_images import LabelledImages

FILE = "annotations.json"

_LEAST_LEFT = 0.5  # of an object's area


def read_coco(folder: Path, spec: InputSpec) -> LabelledImages:
    """Read the images that `annotations.json` lists, from the folder or its folder `images`, and their objects.

    Returns:
        Images `[N, C, H, W]` as the network takes them, and as their truth a `LabelledObjects` for each.

    Raises:
        DataError: the annotations or an image cannot be read, or an image is smaller than the network's input.
    """
    from PIL import Image

    if spec.by_name:
        raise DataError(several_inputs_text(folder, spec))
    path = folder / FILE
    try:
        content = parse_json(read_text(path, str(path), "give a JSON file with images, annotations and categories"))
        listed = [(int(image["id"]), str(image["file_name"])) for image in content["images"]]
        classes = {
            label: index for index, label in enumerate(sorted(int(each["id"]) for each in content["categories"]))
        }
        objects = _by_image(content["annotations"], classes)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as COCO annotations ({type(error).__name__}: {str(error)[:200]}): give a JSON file "
            "with images, annotations and categories"
        ) from error
    if not listed:
        raise DataError(f"{path} lists no images: give at least one")
    pixels, truth = [], []
    for identifier, name in listed:
        pixels.append(read_pixels(folder, name, spec.shape))
        found = folder / name if (folder / name).is_file() else folder / "images" / name
        with Image.open(found) as image:
            truth.append(_cropped(objects.get(identifier, []), (image.height, image.width), spec.shape[1:]))
    images = spec.normalize(np.stack(pixels))
    return LabelledImages(images=images, truth=tuple(truth), source=str(folder))


def _by_image(annotations: Sequence[Mapping[str, Any]], classes: Mapping[int, int]) -> dict[int, list[_Row]]:
    rows: dict[int, list[_Row]] = {}
    for each in annotations:
        left, top, width, height = map(float, each["bbox"])
        box = (left, top, left + width, top + height)
        row = (box, classes[int(each["category_id"])], bool(each.get("iscrowd", 0)))
        rows.setdefault(int(each["image_id"]), []).append(row)
    return rows


_Row = tuple[tuple[float, float, float, float], int, bool]


def _cropped(rows: Sequence[_Row], found: Sequence[int], wanted: Sequence[int]) -> LabelledObjects:
    """The objects of an image of `found` rows and columns, as they lie in its middle of `wanted` rows and columns."""
    boxes = np.array([box for box, _, _ in rows], np.float32).reshape(-1, 4)
    top, left = ((have - want) // 2 for have, want in zip(found, wanted, strict=True))
    moved = boxes - np.array([left, top, left, top], np.float32)
    kept = np.clip(moved, 0, np.array([wanted[1], wanted[0]] * 2, np.float32))
    share = _areas(kept) / np.maximum(_areas(boxes), 1e-9)
    seen = share > 0
    return LabelledObjects(
        boxes=kept[seen],
        classes=np.array([label for _, label, _ in rows], np.int64)[seen],
        crowd=(np.array([crowd for _, _, crowd in rows], bool) | (share < _LEAST_LEFT))[seen],
    )


def _areas(boxes: Array) -> Array:
    areas: Array = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas
