from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from calib.errors import DataError
from calib.input_spec import InputSpec
from gdfq_export.errors import InputError
from gdfq_export.tasks.figures import ComparedOutputs
from gdfq_export.tasks.outputs import GraphOutput, NetworkOutputs
from gdfq_export.tasks.segmentation.task import Segmentation

SPEC = InputSpec(shape=(3, 8, 8), scale=255.0, mean=(0.0,) * 3, std=(1.0,) * 3)
MASKS = np.random.default_rng(0).integers(0, 3, (12, 8, 8))


def network(shape: tuple[int | str, ...] = ("n", 5, 8, 8), *, asked: bool = False, **facts: Any) -> NetworkOutputs:
    output = GraphOutput(**{"name": "y", "op_type": "Conv", "axis": None, "source": "s", **facts}, shape=shape)
    return NetworkOutputs(outputs=(output,), image=(3, 8, 8), asked=asked)


def segmenter(shape: tuple[int | str, ...] = ("n", 3, 8, 8), **facts: Any) -> Segmentation:
    task = Segmentation.recognise(network(shape, asked=True, **facts))
    assert isinstance(task, Segmentation)
    return task


@pytest.mark.parametrize(
    ("shape", "facts", "stride", "compared"),
    [
        (("n", 5, 8, 8), {}, 1, "y"),
        (("n", 5, 2, 2), {}, 4, "y"),
        (("n", 1, 8, 8), {"op_type": "Sigmoid"}, 1, "s"),
        (("n", 3, 8, 8), {"op_type": "Softmax", "axis": 1}, 1, "s"),
        (("n", 5, 8, 8), {"op_type": "Softmax", "axis": -1}, 1, "y"),
    ],
)
def test_masks_are_recognised(shape: tuple[int | str, ...], facts: dict[str, Any], stride: int, compared: str) -> None:
    task = Segmentation.recognise(network(shape, **facts))
    assert isinstance(task, Segmentation) and (task.stride, task.compared) == (stride, (compared,))
    assert task.threshold == (0.5 if facts.get("op_type") == "Sigmoid" else 0.0)


@pytest.mark.parametrize(
    "shape", [("n", 3, 8, 8), ("n", 1, 8, 8), ("n", 5, 3, 8), ("n", 5), (4, 5, 8, 8), ("n", 5, 4, 8)]
)
def test_an_image_a_feature_and_a_vector_are_no_masks(shape: tuple[int | str, ...]) -> None:
    assert isinstance(Segmentation.recognise(network(shape)), str)
    assert isinstance(Segmentation.recognise(network(shape, asked=True)), str) == (shape[2:] != (8, 8) or shape[0] == 4)


def scores(masks: np.ndarray) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[masks].transpose(0, 3, 1, 2)


def compared(found: np.ndarray, truth: Any = None) -> ComparedOutputs:
    return ComparedOutputs(
        images=len(MASKS),
        names=["y"],
        float_network=[scores(MASKS)],
        quantized=[scores(found)],
        source="s",
        truth=truth,
    )


def test_equal_masks_have_iou_1_and_others_their_own() -> None:
    assert segmenter().figures(compared(MASKS))[0].value == 1
    found = MASKS.copy()
    found[:6] = 0
    (figure,) = segmenter().figures(compared(found))
    ious = [((found == c) & (c == MASKS)).sum() / ((found == c) | (c == MASKS)).sum() for c in range(3)]
    assert figure.name == "mask_iou" and figure.value == pytest.approx(np.mean(ious))
    assert figure.low < figure.value < figure.high and figure.sample == 12


def test_labels_give_the_paired_drop_and_ignored_pixels_do_not_count() -> None:
    found, truth = MASKS.copy(), MASKS.copy()
    found[0] = (MASKS[0] + 1) % 3
    _, drop = segmenter().figures(compared(found, truth))
    assert (drop.name, drop.unit) == ("miou_drop_pp", "pp") and drop.value > 0 and drop.low <= drop.value <= drop.high
    truth[0] = -1
    assert segmenter().figures(compared(found, truth))[1].value == 0
    with pytest.raises(InputError, match="with classes up to 7, the network's"):
        segmenter().figures(compared(found, truth + 5))


def test_one_class_counts_the_foreground_alone() -> None:
    task = segmenter(("n", 1, 8, 8), op_type="Sigmoid")
    mask = np.zeros((4, 1, 8, 8), np.float32)
    mask[:, :, :4] = 0.9
    half = np.where(np.arange(8) < 4, mask, 0).astype(np.float32)
    both = ComparedOutputs(images=4, names=["y"], float_network=[mask], quantized=[half], source="s")
    assert task.figures(both)[0].value == 0.5


def test_masks_are_read_beside_images(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    Image.fromarray(np.full((10, 12, 3), 7, np.uint8)).save(tmp_path / "images" / "a.png")
    assert segmenter().read_data(tmp_path / "images", SPEC).truth is None
    with pytest.raises(DataError, match=r"no mask at .*a\.png"):
        segmenter().read_data(tmp_path, SPEC)
    mask = np.zeros((10, 12), np.uint8)
    mask[1, 2], mask[2, 3] = 2, 255
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    data = segmenter().read_data(tmp_path, SPEC)
    assert data.images.shape == (1, 3, 8, 8) and data.truth.shape == (1, 8, 8)
    assert (data.truth[0, 0, 0], data.truth[0, 1, 1], data.truth[0, 2, 2]) == (2, -1, 0)
    assert segmenter(("n", 1, 8, 8)).read_data(tmp_path, SPEC).truth.sum() == 2


def test_masks_of_an_archive_are_of_the_images_size(tmp_path: Path) -> None:
    pixels = np.zeros((4, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "a.npz", images=pixels, masks=MASKS[:4])
    np.testing.assert_array_equal(segmenter().read_data(tmp_path / "a.npz", SPEC).truth, MASKS[:4])
    np.savez(tmp_path / "b.npz", images=pixels, masks=MASKS[:4, :5])
    with pytest.raises(DataError, match=r"`masks` in .*b\.npz is \[4, 5, 8\]"):
        segmenter().read_data(tmp_path / "b.npz", SPEC)
    np.savez(tmp_path / "c.npz", images=pixels)
    assert segmenter().read_data(tmp_path / "c.npz", SPEC).truth is None


def test_other_outputs_do_not_fit() -> None:
    task = segmenter(("n", 5, 4, 4))
    assert task.fits([(1, 5, 4, 4)]) and task.fits([(0, 5, 0, 0)]) and not task.fits([(1, 5, 8, 8)])
    assert task.describe() == "masks of 4 x 4 pixels, 5 classes"
