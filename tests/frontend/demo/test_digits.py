"""The digits: two halves that share nothing, as pixels 0..255."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from gdfq_export.errors import InputError
from gdfq_export.frontend.demo.digits import held_out_digits, training_digits


def test_the_halves_are_disjoint_and_whole() -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="the demo extra is not installed")
    (train, train_labels), (held_out, labels) = training_digits(), held_out_digits()
    assert (train.shape, held_out.shape) == ((898, 8, 8, 1), (899, 8, 8, 1))
    assert (held_out.dtype, labels.dtype) == (np.uint8, np.int64)
    whole = datasets.load_digits()
    assert np.array_equal(np.concatenate([train_labels, labels]), whole.target)
    restored = np.concatenate([train, held_out])[..., 0] * (16 / 255)
    assert np.array_equal(np.rint(restored), whole.images)
    assert np.bincount(labels).min() >= 80


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(InputError, match=r"gdfq-export\[demo\]"):
        held_out_digits()
