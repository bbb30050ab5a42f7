from __future__ import annotations

import numpy as np
import pytest

from gdfq_export.errors import InputError
from gdfq_export.tasks.classification.agreement import measure_agreement


def test_a_network_agrees_with_itself() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 10)).astype(np.float32)
    same = measure_agreement(logits, logits, "noise")
    assert (same.top1.count, same.images, same.source) == (50, 50, "noise")
    assert (same.kl_mean_nats, same.max_abs_logit_error, same.rms_logit_error) == (0.0, 0.0, 0.0)


def test_figures_by_hand() -> None:
    first = np.array([[0.0, 0.0], [np.log(3.0), 0.0]], np.float32)
    second = np.array([[np.log(3.0), 0.0], [0.0, np.log(3.0)]], np.float32)
    found = measure_agreement(first, second, "two")
    assert found.top1.count == 1
    # KL((1/2, 1/2) | (3/4, 1/4)) and KL((3/4, 1/4) | (1/4, 3/4))
    assert found.kl_mean_nats == pytest.approx((np.log(4 / 3) / 2 + np.log(3) / 2) / 2, rel=1e-6)
    assert found.max_abs_logit_error == pytest.approx(np.log(3.0))
    assert found.rms_logit_error == pytest.approx(np.log(3.0) * np.sqrt(3 / 4))


def test_probabilities_are_not_softmaxed_again() -> None:
    first, second = np.array([[0.5, 0.5]], np.float32), np.array([[0.75, 0.25]], np.float32)
    found = measure_agreement(first, second, "one", probabilities=True)
    assert found.kl_mean_nats == pytest.approx(np.log(4 / 3) / 2, rel=1e-6)
    sure = measure_agreement(np.array([[1.0, 0.0]], "f"), np.array([[0.0, 1.0]], "f"), "one", probabilities=True)
    assert np.isfinite(sure.kl_mean_nats)


def test_broken_outputs_are_named() -> None:
    good, broken = np.zeros((3, 4), np.float32), np.zeros((3, 4), np.float32)
    broken[1, 2] = np.nan
    with pytest.raises(InputError, match="the quantized network returns NaN or infinity for 1 of 3 images of noise"):
        measure_agreement(good, broken, "noise")
    with pytest.raises(InputError, match=r"cannot compare outputs of shape \[3, 4\]"):
        measure_agreement(good, good[:2], "noise")
