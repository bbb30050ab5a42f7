from __future__ import annotations

import pytest

from gdfq_export.errors import InputError
from gdfq_export.tasks.classification.task import Classification
from gdfq_export.tasks.registry import TASKS, find_task
from gdfq_export.tasks.task import GraphOutput
from tests.tasks.regression import Regression

SCORES = GraphOutput(name="y", shape=("n", 5), op_type="Gemm", axis=None, source="f")
MAP = GraphOutput(name="m", shape=("n", 5, 8, 8), op_type="Conv", axis=None, source="f")


def test_the_first_task_that_recognises_the_outputs_is_taken() -> None:
    tasks = {**TASKS, "regress": Regression.recognise}
    assert isinstance(find_task([SCORES], "net", tasks), Classification)
    assert isinstance(find_task([SCORES, MAP], "net", tasks), Regression)


def test_every_task_says_why_the_outputs_are_not_its() -> None:
    tasks = {**TASKS, "never": lambda outputs: f"has {len(outputs)} output and never fits"}
    with pytest.raises(InputError, match=r"^net is not a classifier: its output m is \[n, 5, 8, 8\].*; has 1 output"):
        find_task([MAP], "net", tasks)
