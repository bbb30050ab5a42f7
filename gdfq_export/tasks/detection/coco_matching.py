"""Matching as COCO's own evaluation does it, at the overlaps 0.50, 0.55 ... 0.95, with crowds ignored.

The package pycocotools matches; `average_precision.py` computes its mAP@[.5:.95] from the same matches, so that an
interval can be given.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gdfq_export.errors import BackendUnavailable
from gdfq_export.tasks.detection.detections import Array, Detections, Index
from gdfq_export.tasks.detection.matching import Matches

_MOST = 100  # detections of one image and class


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledObjects:
    """The labelled objects of one image.

    Attributes:
        boxes: float32 [M, 4], left, top, right, bottom in pixels of the network's input.
        classes: int64 [M].
        crowd: bool [M], boxes of many objects, which are no misses and no mistakes.
    """

    boxes: Array
    classes: Index
    crowd: NDArray[np.bool_]


def coco_matches(found: Sequence[Detections], objects: Sequence[LabelledObjects]) -> dict[int, Matches]:
    """Match the detections of each image with its labelled objects.

    Returns:
        Matches with ten thresholds, by class; a class without objects that are no crowd is left out.

    Raises:
        BackendUnavailable: pycocotools is not installed.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise BackendUnavailable(
            "mAP on labelled images needs pycocotools, which is not installed; pip install 'gdfq-export[detect]'"
        ) from error
    classes = sorted({int(label) for each in objects for label in each.classes[~each.crowd]})
    with contextlib.redirect_stdout(io.StringIO()):  # COCO's classes print what they do
        truth, results = COCO(), COCO()
        truth.dataset = _dataset(len(objects), classes, map(_annotations, objects))
        results.dataset = _dataset(len(objects), classes, map(_results, found))
        truth.createIndex()
        results.createIndex()
        evaluation = COCOeval(truth, results, "bbox")
        evaluation.params.imgIds, evaluation.params.catIds = [*range(len(objects))], classes
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.params.maxDets = [_MOST]
        evaluation.evaluate()
    images = len(objects)
    return {
        label: _of_class(evaluation.evalImgs[position * images : (position + 1) * images])
        for position, label in enumerate(classes)
    }


def _dataset(images: int, classes: Sequence[int], annotations: Any) -> dict[str, Any]:
    rows = [{"image_id": image, **row} for image, each in enumerate(annotations) for row in each]
    return {
        "images": [{"id": image} for image in range(images)],
        "categories": [{"id": label} for label in classes],
        "annotations": [{"id": number, **row} for number, row in enumerate(rows, start=1)],  # 0 stands for no match
    }


def _annotations(objects: LabelledObjects) -> list[dict[str, Any]]:
    rows = zip(objects.boxes, objects.classes, objects.crowd, strict=True)
    return [{**_box(box), "category_id": int(label), "iscrowd": int(crowd)} for box, label, crowd in rows]


def _results(found: Detections) -> list[dict[str, Any]]:
    rows = zip(found.boxes, found.classes, found.scores, strict=True)
    return [{**_box(box), "category_id": int(label), "score": float(score)} for box, label, score in rows]


def _box(box: Array) -> dict[str, Any]:
    left, top, right, bottom = map(float, box)
    return {"bbox": [left, top, right - left, bottom - top], "area": (right - left) * (bottom - top)}


def _of_class(images: Sequence[dict[str, Any] | None]) -> Matches:
    """Join what COCO found in each image; None where an image has neither objects nor detections of the class."""
    there = [(index, each) for index, each in enumerate(images) if each is not None]
    scores = np.concatenate([each["dtScores"] for _, each in there])
    order = np.argsort(-scores, kind="mergesort")
    objects = np.zeros(len(images), np.int64)
    for index, each in there:
        objects[index] = int((np.asarray(each["gtIgnore"]) == 0).sum())
    return Matches(
        right=np.concatenate([each["dtMatches"] > 0 for _, each in there], axis=1)[:, order],
        ignored=np.concatenate([each["dtIgnore"].astype(bool) for _, each in there], axis=1)[:, order],
        image=np.concatenate([np.full(len(each["dtScores"]), index) for index, each in there])[order],
        objects=objects,
    )
