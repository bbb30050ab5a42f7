from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.errors import InputError
from gdfq_export.tasks.figures import ComparedOutputs
from gdfq_export.tasks.output_comparison import MOST_DB, compare_outputs, output_figures


def compared(wanted: np.ndarray, found: np.ndarray, images: int | None = None) -> ComparedOutputs:
    return ComparedOutputs(
        images=images or len(wanted), names=["y"], float_network=[wanted], quantized=[found], source="noise"
    )


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@given(decibels=st.floats(-10, 60), seed=st.integers(0, 99))
def test_the_interval_holds_the_ratio_of_signal_to_noise(decibels: float, seed: int) -> None:
    wanted = noise(400, 3, 5, seed=seed)
    found = wanted + 10 ** (-decibels / 20) * noise(400, 3, 5, seed=seed + 100)
    (error,) = compare_outputs(compared(wanted, found))
    assert error.shape == (3, 5) and not error.constant
    assert error.snr_low_db < error.snr_db < error.snr_high_db < error.snr_low_db + 1
    assert error.snr_db == pytest.approx(decibels, abs=0.7)
    assert error.cosine_low <= error.cosine <= error.cosine_high <= 1


def test_equal_outputs_have_no_error() -> None:
    (error,) = compare_outputs(compared(noise(4, 2), noise(4, 2)))
    assert (error.snr_db, error.max_abs_error) == (MOST_DB, 0.0) and error.cosine == pytest.approx(1)


def test_one_image_has_no_interval_and_zeros_agree_with_zeros() -> None:
    (error,) = compare_outputs(compared(noise(1, 9), noise(1, 9) + 0.1))
    assert error.snr_low_db == error.snr_db == error.snr_high_db
    assert output_figures([error], 1)[0].sample is None
    nothing = np.zeros((2, 3), np.float32)
    assert compare_outputs(compared(nothing, nothing))[0].cosine == 1


def test_outputs_that_do_not_depend_on_the_image_are_constant() -> None:
    row = noise(1, 6)
    assert compare_outputs(compared(np.repeat(row, 5, 0), np.repeat(row, 5, 0) + noise(5, 6)))[0].constant


def test_an_output_without_the_batch_is_one_row() -> None:
    priors = noise(1, 7, 4)
    (error,) = compare_outputs(compared(priors, priors, images=64))
    assert error.snr_db == MOST_DB and not error.constant
    rows = compare_outputs(compared(noise(12, 4), noise(12, 4) + 0.1, images=3))
    assert rows[0].snr_low_db < rows[0].snr_high_db, "four rows an image"


def test_the_worst_output_is_the_figure_of_the_gates() -> None:
    both = ComparedOutputs(
        images=9, names=["a", "b"], float_network=[noise(9, 3), noise(9, 3)],
        quantized=[noise(9, 3) + 0.5, noise(9, 3) + 0.01], source="noise",
    )  # fmt: skip
    errors = compare_outputs(both)
    snr, cosine = output_figures(errors, 9)
    assert (snr.name, snr.value, snr.sample) == ("output_snr_db", errors[0].snr_db, 9)
    assert (cosine.name, cosine.note) == ("cosine", "of output a, the lowest of 2 outputs, the mean over images")


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_outputs_that_are_not_finite_are_refused(broken: float) -> None:
    wanted = noise(3, 2)
    wanted[1, 0] = broken
    with pytest.raises(InputError, match="the float network returns NaN or infinity in y for 1 of 3 images of noise"):
        compare_outputs(compared(wanted, noise(3, 2)))


def test_outputs_of_other_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r"the output y of shape \[3, 2\] \(float\) and \[3, 4\] \(quantized\)"):
        compare_outputs(compared(noise(3, 2), noise(3, 4)))
