"""Boxes that are written into outputs of every kind are read from them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from gdfq_export.errors import InputError
from gdfq_export.tasks.detection.decoders.box_rows import BoxRows
from gdfq_export.tasks.detection.decoders.cells import cell_centres, cell_count, grid
from gdfq_export.tasks.detection.decoders.distribution_heads import DistributionHeads
from gdfq_export.tasks.detection.decoders.final_boxes import BoxesScoresClasses, BoxTable
from gdfq_export.tasks.detection.decoders.grid_heads import GridHeads
from gdfq_export.tasks.detection.decoders.user_function import UserFunction
from gdfq_export.tasks.detection.detections import Detections
from gdfq_export.tasks.outputs import GraphOutput, NetworkOutputs

SIZE = (96, 64)
STRIDES = (8, 16, 32)
BOX = [12.0, 20.0, 44.0, 60.0]  # left, top, right, bottom of the only object, of class 2


def network(outputs: Sequence[np.ndarray], names: Sequence[str] = (), *, asked: bool = False) -> NetworkOutputs:
    named = [*names] or [f"output{index}" for index in range(len(outputs))]
    facts = [
        GraphOutput(name=name, shape=("batch", *array.shape[1:]), op_type="", axis=None, source=None)
        for name, array in zip(named, outputs, strict=True)
    ]
    return NetworkOutputs(outputs=tuple(facts), image=(3, *SIZE), asked=asked)


def require_the_box(found: list[Detections], *, near: float = 0.05) -> None:
    assert [len(each) for each in found] == [1, 0]
    assert found[0].classes.tolist() == [2] and found[0].scores[0] > 0.8
    np.testing.assert_allclose(found[0].boxes[0], BOX, atol=near)


def middle_cell(stride: int) -> tuple[int, np.ndarray]:
    """The cell with the object's centre, and that cell's centre."""
    centres = cell_centres(SIZE, stride)
    index = int(np.abs(centres - [28.0, 40.0]).sum(1).argmin())
    return index, centres[index]


def distribution(centre: np.ndarray, stride: int, bins: int) -> np.ndarray:
    """Logits whose expectation is the distance to each side of the box."""
    sides = np.abs(np.array([*(centre - BOX[:2]), *(BOX[2:] - centre)])) / stride
    logits = np.full((4, bins), -40.0, np.float32)
    for row, side in zip(logits, sides, strict=True):
        whole = int(side)
        row[whole], row[whole + 1] = np.log(1 - (side - whole) + 1e-9), np.log(side - whole + 1e-9)
    return logits.reshape(-1)


def test_pairs_of_scores_and_distributions() -> None:
    scores = [np.full((2, cell_count(SIZE, [s]), 5), 0.001, np.float32) for s in STRIDES]
    boxes = [np.zeros((2, cell_count(SIZE, [s]), 32), np.float32) for s in STRIDES]
    index, centre = middle_cell(16)
    scores[1][0, index, 2] = 0.9
    boxes[1][0, index] = distribution(centre, 16, 8)
    decoder = DistributionHeads.recognise(network([*scores, *boxes]))
    assert decoder is not None and decoder.title.endswith("8, 16, 32")
    require_the_box(decoder([*scores, *boxes]))


@pytest.mark.parametrize("columns", [True, False])
def test_rows_and_columns(columns: bool) -> None:
    rows = np.zeros((2, cell_count(SIZE, STRIDES) * (1 if columns else 3), 9 if columns else 10), np.float32)
    rows[0, 7] = [28, 40, 32, 40, *([] if columns else [1.0]), 0, 0, 0.9, 0, 0]
    output = rows.transpose(0, 2, 1) if columns else rows
    decoder = BoxRows.recognise(network([output]))
    assert decoder == BoxRows(columns=columns)
    require_the_box(decoder([output]))


def test_maps_of_distributions_are_asked_for() -> None:
    maps = [np.full((2, 64 + 5, *grid(SIZE, stride)), -9.0, np.float32) for stride in STRIDES]
    index, centre = middle_cell(16)
    row, column = divmod(index, grid(SIZE, 16)[1])
    maps[1][0, :64, row, column] = distribution(centre, 16, 16)
    maps[1][0, 66, row, column] = 4.0
    assert GridHeads.recognise(network(maps)) is None
    decoder = GridHeads.recognise(network(maps, asked=True))
    assert decoder is not None and decoder.strides == STRIDES
    require_the_box(decoder(maps))


def test_maps_of_offsets_to_anchors() -> None:
    maps = [np.full((2, 3, *grid(SIZE, stride), 5 + 5), -9.0, np.float32) for stride in STRIDES]
    index, centre = middle_cell(16)
    row, column = divmod(index, grid(SIZE, 16)[1])
    wanted = [(np.array([28.0, 40.0]) - centre) / 16 / 2 + 0.5, np.sqrt([32 / 30, 40 / 61]) / 2]
    shares = np.concatenate(wanted)
    maps[1][0, 0, row, column, :4] = np.log(shares / (1 - shares))
    maps[1][0, 0, row, column, [4, 7]] = 4.0
    decoder = GridHeads.recognise(network(maps))
    assert decoder is not None and decoder.anchors
    require_the_box(decoder(maps))


def test_a_table_of_final_boxes() -> None:
    table = np.zeros((2, 20, 6), np.float32)
    table[0, 0] = [*BOX, 0.9, 2]
    assert BoxTable.recognise(network([table])) is None  # six columns alone say nothing
    decoder = BoxTable.recognise(network([table], asked=True))
    assert decoder is not None
    require_the_box(decoder([table]))


@pytest.mark.parametrize("counted", [True, False])
def test_final_boxes_in_outputs_of_their_own(counted: bool) -> None:
    boxes, scores, classes = np.zeros((2, 20, 4), np.float32), np.zeros((2, 20)), np.full((2, 20), 2)
    boxes[0, 0], scores[0, 0] = BOX, 0.9
    count = [np.array([[1], [0]])] if counted else []
    outputs = [*count, boxes, scores, classes]
    names = [*["num"][: len(count)], "boxes", "scores", "det_classes"]
    decoder = BoxesScoresClasses.recognise(network(outputs, names))
    assert decoder is not None
    require_the_box(decoder(outputs))


def test_other_outputs_are_not_recognised() -> None:
    others: list[Any] = [np.zeros((2, 10)), np.zeros((2, 7, 12)), np.zeros((2, 3, 5, 5))]
    for recognise in (DistributionHeads, BoxRows, GridHeads, BoxTable, BoxesScoresClasses):
        for output in others:
            assert recognise.recognise(network([output])) is None, (recognise, output.shape)


def halves(outputs: Sequence[np.ndarray], size: tuple[int, int]) -> tuple[Any, Any, Any]:
    assert [output.shape for output in outputs] == [(1, 3)] and size == SIZE
    score = float(outputs[0][0, 0])
    return ([BOX], [score], [2]) if score else (np.zeros((0, 4)), [], [])


def test_a_function_of_the_user() -> None:
    decoder = UserFunction(image_size=SIZE, function=halves)
    require_the_box(decoder([np.array([[0.9, 0, 0], [0, 0, 0]], np.float32)]))


def test_a_function_that_fails_is_named() -> None:
    decoder = UserFunction(image_size=SIZE, function=lambda outputs, size: ([BOX], [], []))
    with pytest.raises(InputError, match=r"--decode failed on outputs of shape \[1, 3\].*1 boxes, 0 scores"):
        decoder([np.zeros((2, 3), np.float32)])
