"""Matches and mean average precision on cases that are counted by hand, and against pycocotools."""

from __future__ import annotations

import numpy as np
import pytest

from gdfq_export.errors import BackendUnavailable
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.tasks.detection.average_precision import mean_average_precision, with_interval
from gdfq_export.tasks.detection.coco_matching import LabelledObjects, coco_matches
from gdfq_export.tasks.detection.detections import Detections, overlaps
from gdfq_export.tasks.detection.matching import match
from gdfq_export.tasks.detection.non_maximum_suppression import suppressed
from gdfq_export.tasks.detection.self_map import SelfMap, self_map


def boxes_of(rows: list[tuple[float, float, float, int]]) -> Detections:
    """Boxes of 10 by 10 pixels: left, top, score, class."""
    corners = [(left, top, left + 10, top + 10) for left, top, _, _ in rows]
    return Detections.of(corners, [score for _, _, score, _ in rows], [label for *_, label in rows])


def drawn(seed: int, images: int = 12) -> tuple[list[Detections], list[Detections]]:
    """Objects, and detections of most of them with some that are wrong."""
    random = np.random.default_rng(seed)
    objects, found = [], []
    for _ in range(images):
        corners = random.uniform(0, 80, (6, 2))
        labels = random.integers(0, 3, 6)
        boxes = np.concatenate([corners, corners + random.uniform(8, 20, (6, 2))], axis=1)
        objects.append(Detections.of(boxes, np.ones(6), labels))
        moved = boxes + random.normal(0, 1.5, boxes.shape)
        found.append(Detections.of(moved, random.uniform(0, 1, 6), np.where(random.random(6) < 0.8, labels, 1)))
    return objects, found


def test_the_better_score_takes_the_object_and_the_other_is_wrong() -> None:
    objects = [boxes_of([(0, 0, 1, 0), (50, 50, 1, 0)])]
    found = [boxes_of([(1, 0, 0.5, 0), (0, 0, 0.9, 0), (50, 51, 0.7, 0), (50, 50, 0.8, 1)])]
    (matches,) = match(found, objects).values()
    assert matches.right.tolist() == [[True, True, False]] and matches.objects.tolist() == [2]
    assert mean_average_precision([matches]) == pytest.approx(1.0)


def test_a_wrong_box_before_a_right_one_halves_the_precision() -> None:
    objects = [boxes_of([(0, 0, 1, 0)])]
    matches = match([boxes_of([(30, 30, 0.9, 0), (0, 0, 0.8, 0)])], objects)
    assert mean_average_precision([*matches.values()]) == pytest.approx(0.5)


def test_a_network_finds_what_itself_finds() -> None:
    _, found = drawn(0)
    own = self_map(found, found)
    assert isinstance(own, SelfMap)
    assert (own.precision.value, own.precision.low, own.precision.high) == (1.0, 1.0, 1.0)
    assert isinstance(self_map([boxes_of([(0, 0, 0.2, 0)])], [boxes_of([])]), NotMeasured)


def test_the_interval_holds_the_value_and_shrinks_with_the_images() -> None:
    few, many = (with_interval([*match(*reversed(drawn(1, images))).values()]) for images in (6, 60))
    assert few.low <= few.value <= few.high and many.low <= many.value <= many.high
    assert many.high - many.low < few.high - few.low


def test_boxes_of_a_class_that_overlap_are_suppressed() -> None:
    found = suppressed(boxes_of([(0, 0, 0.5, 0), (1, 0, 0.9, 0), (1, 0, 0.4, 1), (40, 40, 0.3, 0)]))
    assert found.scores.tolist() == pytest.approx([0.9, 0.4, 0.3])


def test_boxes_without_area_overlap_nothing() -> None:
    assert overlaps(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0.0]]


def test_without_pycocotools_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pycocotools", None)
    with pytest.raises(BackendUnavailable, match=r"pip install 'gdfq-export\[detect\]'"):
        coco_matches([], [])


def test_the_figure_of_cocos_matches_is_that_of_coco() -> None:
    pytest.importorskip("pycocotools")
    from pycocotools.cocoeval import COCOeval

    objects, found = drawn(2)
    labelled = [
        LabelledObjects(boxes=each.boxes, classes=each.classes, crowd=np.arange(len(each)) == 5) for each in objects
    ]
    evaluations: list[COCOeval] = []
    original = COCOeval.evaluate

    def kept(self: COCOeval) -> None:
        evaluations.append(self)
        original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(COCOeval, "evaluate", kept)
        matches = coco_matches(found, labelled)
    evaluations[0].accumulate()
    precision = evaluations[0].eval["precision"]
    assert mean_average_precision([*matches.values()]) == pytest.approx(precision[precision > -1].mean(), abs=1e-9)
