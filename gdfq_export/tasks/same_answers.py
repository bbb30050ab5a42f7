"""The share of images for which two networks give the same answer, where a task has answers."""

from __future__ import annotations

from gdfq_export.tasks.classification.task import Classification
from gdfq_export.tasks.outputs import Outputs, as_tuple
from gdfq_export.tasks.task import Task


def same_answers(task: Task, found: Outputs, wanted: Outputs) -> float | None:
    """The share of images whose class is the same in both outputs `[N, ...]`; None for a task without classes."""
    if not isinstance(task, Classification):
        return None
    classes = [task.predicted([part.cpu().numpy() for part in as_tuple(outputs)]) for outputs in (found, wanted)]
    return float((classes[0] == classes[1]).mean())
