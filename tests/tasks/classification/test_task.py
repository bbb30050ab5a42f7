from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.aim import ClassAim
from gdfq_export.tasks.classification.task import Classification
from gdfq_export.tasks.outputs import GraphOutput, NetworkOutputs


def output(**changes: Any) -> GraphOutput:
    facts: dict[str, Any] = {"name": "y", "shape": ("n", 5), "op_type": "Gemm", "axis": None, "source": "f"}
    return GraphOutput(**{**facts, **changes})


def network(*outputs: GraphOutput) -> NetworkOutputs:
    return NetworkOutputs(outputs=outputs)


@given(classes=st.integers(2, 10_000), op_type=st.sampled_from(["Gemm", "Softmax", "LogSoftmax", "Add", "Sigmoid"]))
def test_any_number_of_classes_is_recognised(classes: int, op_type: str) -> None:
    task = Classification.recognise(network(output(shape=("n", classes), op_type=op_type)))
    assert isinstance(task, Classification)
    assert task.facts == {"classes": classes} and task.describe() == f"{classes:,} classes"
    assert task.compared == (("f",) if "Softmax" in op_type else ("y",))
    assert task.probabilities == (op_type == "Softmax")
    assert isinstance(task.aim, ClassAim) and task.aim.conditions == classes


@pytest.mark.parametrize(
    ("changes", "compared"),
    [
        ({"op_type": "Softmax", "axis": 0}, "y"),
        ({"op_type": "Softmax", "axis": 1}, "f"),
        ({"op_type": "LogSoftmax", "axis": -1}, "f"),
        ({"op_type": "Softmax", "source": None}, "y"),
    ],
)
def test_the_logits_are_what_a_softmax_over_classes_reads(changes: dict[str, Any], compared: str) -> None:
    task = Classification.recognise(network(output(**changes)))
    assert isinstance(task, Classification) and task.compared == (compared,)


@pytest.mark.parametrize("shape", [("n",), ("n", 1), (8, 5), ("n", "2*n"), ("n", 5, 1, 1), ()])
def test_other_shapes_are_refused_with_what_was_found(shape: tuple[int | str, ...]) -> None:
    reason = Classification.recognise(network(output(shape=shape)))
    assert isinstance(reason, str)
    assert reason.startswith(f"its output is y [{', '.join(map(str, shape))}] where class scores are [N, classes]")


@pytest.mark.parametrize(("names", "found"), [([], "0 outputs (none)"), (["a", "b"], "2 outputs (a [n, 5], b [n, 5])")])
def test_other_numbers_of_outputs_are_refused(names: list[str], found: str) -> None:
    reason = Classification.recognise(network(*(output(name=name) for name in names)))
    assert isinstance(reason, str) and reason.startswith(f"it has {found} where a classifier has one")


def test_figures_are_those_of_the_first_output() -> None:
    task = Classification(classes=3, compared=("y",))
    random = np.random.default_rng(0)
    floats = [random.normal(size=(20, 3)).astype(np.float32), random.normal(size=(20, 2)).astype(np.float32)]
    truth = floats[0].argmax(axis=1)
    assert task.agreement(floats, [floats[0], floats[1] + 1], "noise").top1.value == 1
    assert task.accuracy(floats, [-floats[0]], truth, "noise").top1.drop_pp == 100


@pytest.mark.parametrize(
    ("shape", "fits", "text"),
    [
        ((1, 3), True, "3 classes"),
        ((0, 0), True, "0 classes"),
        ((1, 1), False, "1 class"),
        ((1, 3, 2), False, "[3, 2]"),
    ],
)
def test_outputs_of_another_network_are_told_by_their_shape(shape: tuple[int, ...], fits: bool, text: str) -> None:
    task = Classification(classes=3, compared=("y",))
    assert task.fits([shape]) is fits and text in task.describe([shape])
