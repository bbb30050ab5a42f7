from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calib.input_spec import InputSpec
from calib.samplers import RealSet
from scripts import imagenet_folder

SPEC = InputSpec(shape=(3, 24, 24), scale=255.0, mean=(0.0,) * 3, std=(1.0,) * 3)


@pytest.fixture
def validation(tmp_path: Path) -> Path:
    for label, name in enumerate(("n01", "n02", "n03")):
        (tmp_path / "val" / name).mkdir(parents=True)
        for index in range(2):
            pixels = np.full((40 + 10 * index, 60, 3), 50 * label + index, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "val" / name / f"{name}_{index}.png")
    return tmp_path / "val"


def test_what_it_writes_is_read_with_the_right_labels(
    validation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    words = ["imagenet_folder", str(validation), str(out), "--count", "4", "--resize", "32", "--crop", "24"]
    monkeypatch.setattr(sys, "argv", words)
    imagenet_folder.main()
    images = RealSet.load(out, SPEC, 3)
    assert images.labels.tolist() == [0, 1, 2, 0]
    assert [round(255 * float(image.mean())) for image in images.images] == [0, 50, 100, 1]


def test_the_shorter_side_is_resized_and_the_centre_kept() -> None:
    pixels = np.zeros((100, 300, 3), np.uint8)
    pixels[:, 100:200] = 255
    made = np.asarray(imagenet_folder.preprocess(Image.fromarray(pixels), 50, 40))
    assert made.shape == (40, 40, 3) and (made == 255).all()


def test_a_flat_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="one folder of images for each class"):
        imagenet_folder.list_images(tmp_path)
