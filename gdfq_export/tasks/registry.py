"""The tasks there are, and which of them a graph's outputs are for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gdfq_export.errors import InputError
from gdfq_export.tasks.classification.single_score import recognise_classifier
from gdfq_export.tasks.task import GraphOutput, Task

Recognise = Callable[[Sequence[GraphOutput]], Task | str]
"""The task of a graph with these outputs, or why they are not its outputs, as the end of a sentence."""

TASKS: dict[str, Recognise] = {"classify": recognise_classifier}
"""By name; the first that recognises the outputs is taken."""


def find_task(outputs: Sequence[GraphOutput], where: str, tasks: Mapping[str, Recognise] = TASKS) -> Task:
    """Give the task of the network that the user calls `where`.

    Raises:
        InputError: no task has such outputs.
    """
    reasons = []
    for recognise in tasks.values():
        found = recognise(outputs)
        if not isinstance(found, str):
            return found
        reasons.append(found)
    raise InputError(f"{where} {'; '.join(reasons)}")
