from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from bench.real_networks import turned_pages
from calib.input_spec import InputSpec


def test_pages_are_turned_clockwise(tmp_path: Path) -> None:
    page = np.zeros((800, 608, 3), np.uint8)
    page[:400] = 255  # the upper half is white
    Image.fromarray(page).save(tmp_path / "page.jpg", quality=95)
    spec = InputSpec(shape=(3, 224, 224), scale=255.0, mean=(0.0,) * 3, std=(1.0,) * 3)
    found = turned_pages(tmp_path, spec)
    assert found.images.shape == (4, 3, 224, 224) and found.truth.tolist() == [0, 1, 2, 3]
    ends = [found.images[:, 0, :50].mean((1, 2)), found.images[:, 0, :, -50:].mean((1, 2))]
    upper, right = (np.round(values, 1).tolist() for values in ends)
    assert [upper[0], right[1], upper[2], right[3]] == [1.0, 1.0, 0.0, 0.0]
