"""Images with COCO's annotations are read, cropped, and their boxes moved along."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calib.errors import DataError
from calib.input_spec import InputSpec
from gdfq_export.tasks.detection.coco_labels import read_coco

SPEC = InputSpec(shape=(3, 16, 16), scale=255.0, mean=(0.0,) * 3, std=(1.0,) * 3)


def folder_with(path: Path, annotations: object) -> Path:
    Image.fromarray(np.full((20, 24, 3), 51, np.uint8)).save(path / "a.png")
    (path / "annotations.json").write_text(json.dumps(annotations))
    return path


def test_boxes_follow_the_crop(tmp_path: Path) -> None:
    boxes = [([4, 2, 8, 8], 7, 0), ([0, 0, 6, 6], 3, 0), ([10, 10, 4, 4], 3, 1), ([0, 0, 3, 1], 3, 0)]
    folder = folder_with(
        tmp_path,
        {
            "images": [{"id": 5, "file_name": "a.png"}],
            "categories": [{"id": 7}, {"id": 3}],
            "annotations": [
                {"image_id": 5, "bbox": box, "category_id": label, "iscrowd": crowd} for box, label, crowd in boxes
            ],
        },
    )
    read = read_coco(folder, SPEC)
    assert read.images.shape == (1, 3, 16, 16) and np.allclose(read.images, 0.2)
    (objects,) = read.truth
    assert objects.boxes.tolist() == [[0, 0, 8, 8], [0, 0, 2, 4], [6, 8, 10, 12]]
    assert objects.classes.tolist() == [1, 0, 0]
    assert objects.crowd.tolist() == [False, True, True]  # the second is mostly cut off


def test_what_is_no_coco_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"annotations.json cannot be read as COCO annotations \(KeyError"):
        read_coco(folder_with(tmp_path, {"images": []}), SPEC)
