from __future__ import annotations

import pytest

from gdfq_export.support.batch_size import MOST, batch_size


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 127, 128), (3, 128), (10,), (2, 4, 16, 16)])
def test_small_inputs_are_computed_64_at_a_time(shape: tuple[int, ...]) -> None:
    assert batch_size(shape) == MOST == 64


@pytest.mark.parametrize(("shape", "count"), [((3, 128, 128), 16), ((3, 512, 512), 1), ((1, 5000, 5000), 1)])
def test_large_images_are_few_and_at_least_one(shape: tuple[int, ...], count: int) -> None:
    assert batch_size(shape) == count


def test_joined_inputs_of_two_large_images_are_few() -> None:
    assert batch_size((2 * 3 * 224 * 224,)) < 5
