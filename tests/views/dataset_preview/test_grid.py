from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.input_spec import InputSpec
from gdfq_export.views.dataset_preview.grid import MOST_TILES, lay_grid


def spec(channels: int, height: int, width: int) -> InputSpec:
    return InputSpec(shape=(channels, height, width), scale=255.0, mean=(0.0,) * channels, std=(1.0,) * channels)


@given(
    classes=st.integers(2, 200),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 300), st.integers(1, 300)),
    labels=st.data(),
)
def test_a_grid_fits_its_place_and_labels_what_it_shows(
    classes: int, shape: tuple[int, int, int], labels: st.DataObject
) -> None:
    asked = np.array(labels.draw(st.lists(st.integers(0, classes - 1), min_size=1, max_size=12)))
    grid = lay_grid(np.zeros((len(asked), *shape), np.float32), asked, spec(*shape), classes, 740, 810)
    assert grid.pixels.shape[0] <= 810 and grid.pixels.shape[1] <= 740
    expected = set(range(classes)) if classes <= 10 else set(asked.tolist())
    assert {int(label.text) for label in grid.labels} == expected
    assert all(0 <= label.y <= 810 and label.x <= 740 for label in grid.labels)


def test_rows_are_classes_and_enlarged_pixels_stay_square() -> None:
    images = np.zeros((3, 1, 2, 2), np.float32)
    images[1] = [[[1.0, 0.0], [0.0, 1.0]]]
    grid = lay_grid(images, np.array([0, 4, 4]), spec(1, 2, 2), 5, 200, 200)
    tile = grid.pixels[160:172, :12, 0]  # ten rows of 20 pixels, two for each class, 8 of them a gap
    corners = tile[0, 0], tile[0, -1], tile[-1, 0], tile[-1, -1]
    assert tuple(map(int, corners)) == (255, 0, 0, 255)


def test_many_classes_show_one_image_each() -> None:
    labels = np.repeat(np.arange(150), 2)
    grid = lay_grid(np.zeros((300, 3, 32, 32), np.float32), labels, spec(3, 32, 32), 150, 740, 810)
    assert [label.text for label in grid.labels] == [str(number) for number in range(MOST_TILES)]
    assert f"{MOST_TILES} classes" in grid.heading


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_other_than_three_channels_are_grey(channels: int) -> None:
    images = np.full((1, channels, 8, 8), 0.5, np.float32)
    grid = lay_grid(images, np.array([0]), spec(channels, 8, 8), 2, 200, 200)
    assert grid.pixels[0, 0].tolist() == [128] * 3
