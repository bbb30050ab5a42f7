"""Errors of one tensor over batches: channels along either axis, and a batch that no axis in front holds."""

from __future__ import annotations

import numpy as np
import pytest

from gdfq_export.metrics.tensor_error import TensorError

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("axis", [1, -1])
def test_channels_that_were_rescaled_leave_no_error_along_their_axis(axis: int) -> None:
    error, shape = TensorError(None), [5, 6, 7]
    factors = RANDOM.uniform(0.5, 2, shape[axis]).reshape([-1 if index == axis % 3 else 1 for index in range(3)])
    for _ in range(2):
        x = RANDOM.normal(size=shape)
        error.add(x, x * factors)
    assert error.snr_db < 20
    assert error.rescaled_snr_db > 100


def test_a_batch_of_another_size_on_the_second_axis_counts_too() -> None:
    error = TensorError(None)
    for batch in (14, 4):
        x = RANDOM.normal(size=(3, batch, 8))
        error.add(x, x + 0.1)
    assert error.elements == 3 * 18 * 8
    assert error.snr_db == pytest.approx(20, abs=0.5)
    assert error.rescaled_snr_db >= error.snr_db


def test_a_tensor_of_one_axis_has_one_factor() -> None:
    error = TensorError(None)
    error.add(np.arange(1.0, 5.0), np.arange(1.0, 5.0) * 2)
    assert error.rescaled_snr_db > 100
