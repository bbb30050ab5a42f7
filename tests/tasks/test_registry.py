from __future__ import annotations

import pytest

from gdfq_export.errors import InputError
from gdfq_export.tasks.classification.task import Classification
from gdfq_export.tasks.outputs import GraphOutput, NetworkOutputs
from gdfq_export.tasks.registry import TASKS, StatedTask, find_task
from gdfq_export.tasks.regression.task import Regression

SCORES = GraphOutput(name="y", shape=("n", 5), op_type="Gemm", axis=None, source="f")
MAP = GraphOutput(name="m", shape=("n", 5, 3, 8, 8), op_type="Conv", axis=None, source="f")


def network(*outputs: GraphOutput) -> NetworkOutputs:
    return NetworkOutputs(outputs=outputs)


def test_the_first_task_that_recognises_the_outputs_is_taken() -> None:
    assert isinstance(find_task(network(SCORES), "net").task, Classification)
    found = find_task(network(SCORES, MAP), "net")
    assert (
        isinstance(found.task, Regression)
        and found.reason == "found from the graph: outputs y [N, 5], m [N, 5, 3, 8, 8]"
    )
    assert [*TASKS][-1] == "regress"


def test_the_stated_task_wins_where_it_can() -> None:
    found = find_task(network(SCORES), "net", stated=StatedTask(name="regress"))
    assert isinstance(found.task, Regression) and found.reason.startswith("as stated")
    message = r"^net is no network of the task classify: its output is m \[n, 5, 3, 8, 8\].*leave out --task"
    with pytest.raises(InputError, match=message):
        find_task(network(MAP), "net", stated=StatedTask(name="classify"))
    with pytest.raises(InputError, match=r"there is no task caption; there are .*classify, .*regress"):
        find_task(network(MAP), "net", stated=StatedTask(name="caption"))


def test_stated_classes_are_those_of_the_output() -> None:
    with pytest.raises(InputError, match="says 6 classes but the output y has 5"):
        find_task(network(SCORES), "net", stated=StatedTask(classes=6))
    with pytest.raises(InputError, match="says 6 classes but the output m has no"):
        find_task(network(MAP), "net", stated=StatedTask(classes=6))
