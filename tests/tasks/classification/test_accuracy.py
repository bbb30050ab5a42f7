from __future__ import annotations

import numpy as np
import pytest

from gdfq_export.errors import InputError
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.tasks.classification.accuracy import measure_accuracy


def logits_for(answers: list[int], classes: int) -> np.ndarray:
    """Rows whose classes rank: the answer first, then 0, 1, 2 ..."""
    rows = -np.tile(np.arange(classes, dtype=np.float32), (len(answers), 1))
    rows[np.arange(len(answers)), answers] = 1.0
    return rows


def test_counts_drop_and_pairs() -> None:
    labels = np.array([0, 1, 2, 3, 7, 7])
    accuracy = measure_accuracy(logits_for([0, 1, 2, 9, 7, 9], 10), logits_for([0, 1, 9, 3, 9, 9], 10), labels, "six")
    top1 = accuracy.top1
    assert (top1.float_network.count, top1.quantized.count, accuracy.images, accuracy.source) == (4, 3, 6, "six")
    assert (top1.only_float_right, top1.only_quantized_right) == (2, 1)
    assert top1.drop_pp == pytest.approx(100 / 6)
    assert top1.drop_low_pp < top1.drop_pp < top1.drop_high_pp
    assert not isinstance(accuracy.top5, NotMeasured)
    # behind the answer come 0, 1, 2, 3: label 3 is fifth in row 3 of float, label 7 is never among five unless answered
    assert (accuracy.top5.float_network.count, accuracy.top5.quantized.count) == (5, 4)


def test_ties_go_to_the_lower_class_as_in_argmax() -> None:
    tied = np.zeros((2, 6), np.float32)
    top1 = measure_accuracy(tied, tied, np.array([0, 1]), "ties").top1
    assert top1.float_network.count == int((tied.argmax(axis=1) == [0, 1]).sum()) == 1


def test_nan_is_never_right() -> None:
    good, broken = np.eye(6, dtype=np.float32), np.full((6, 6), np.nan, np.float32)
    accuracy = measure_accuracy(good, broken, np.arange(6), "nan")
    assert (accuracy.top1.float_network.count, accuracy.top1.quantized.count) == (6, 0)


def test_few_classes_have_no_top5() -> None:
    logits = np.eye(5, dtype=np.float32)
    assert measure_accuracy(logits, logits, np.arange(5), "five").top5 == NotMeasured(
        reason="with 5 classes every answer is among the first five"
    )


@pytest.mark.parametrize(
    ("float_shape", "shape", "labels", "message"),
    [
        ((3, 10), (3, 9), [0, 1, 2], "float logits are"),
        ((3, 10), (3, 10), [0, 1], "labels .2."),
        ((3, 10), (3, 10), [0, 1, 10], "labels run from 0 to 10"),
        ((3, 10), (3, 10), [0, -1, 2], "labels run from -1 to 2"),
        ((0, 10), (0, 10), [], "no images"),
    ],
)
def test_what_does_not_fit_is_refused(float_shape, shape, labels: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        measure_accuracy(np.zeros(float_shape, "f"), np.zeros(shape, "f"), np.array(labels, np.int64), "set")
