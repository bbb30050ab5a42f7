from __future__ import annotations

import numpy as np

from gdfq_export.jobs.verify.task_figures import class_accuracy, class_agreement, task_figures
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.tasks.classification.task import Classification
from gdfq_export.tasks.figures import ComparedOutputs
from gdfq_export.tasks.registry import FoundTask
from gdfq_export.tasks.regression.task import Regression

CLASSIFIER = Classification(classes=3, compared=("y",))
REGRESSION = Regression(compared=("y",), outputs=("y",), shapes=(("n", 3),))


def compared(outputs: np.ndarray) -> ComparedOutputs:
    return ComparedOutputs(
        images=len(outputs), names=["y"], float_network=[outputs], quantized=[outputs], source="noise"
    )


def scores(images: int = 30) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(images, 3)).astype(np.float32)


def test_an_output_that_never_changes_is_no_agreement() -> None:
    same = compared(np.repeat(scores(1), 30, axis=0))
    agreement = class_agreement(CLASSIFIER, same)
    assert isinstance(agreement, NotMeasured)
    assert agreement.reason == "the float network's output is the same for all 30 images of noise"
    assert task_figures(FoundTask(task=REGRESSION, reason="r"), same).constant_answer == "the same numbers"


def test_one_class_for_all_images_is_told() -> None:
    biased = scores() + np.float32([0, 9, 0])
    figures = task_figures(FoundTask(task=CLASSIFIER, reason="r"), compared(biased))
    assert figures.constant_answer == "class 1"
    assert task_figures(FoundTask(task=CLASSIFIER, reason="r"), compared(biased[:19])).constant_answer is None
    assert task_figures(FoundTask(task=CLASSIFIER, reason="r"), compared(scores())).constant_answer is None


def test_sections_of_classes_are_missing_where_there_are_none() -> None:
    for section in (class_agreement(REGRESSION, compared(scores())), class_accuracy(REGRESSION, None)):
        assert isinstance(section, NotMeasured) and "has no classes; the figures of its task, regress" in section.reason
