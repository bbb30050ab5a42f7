"""The tasks there are, and which of them a graph's outputs are for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from gdfq_export.errors import InputError
from gdfq_export.tasks.classification.single_score import recognise_classifier
from gdfq_export.tasks.detection.task import Detection
from gdfq_export.tasks.embedding.task import Embedding
from gdfq_export.tasks.outputs import DecodeFunction, NetworkOutputs
from gdfq_export.tasks.regression.task import Regression
from gdfq_export.tasks.segmentation.task import Segmentation
from gdfq_export.tasks.task import Task

Recognise = Callable[[NetworkOutputs], Task | str]
"""The task of a graph with these outputs, or why they are not its outputs, as a clause."""

TASKS: dict[str, Recognise] = {
    "embed": Embedding.recognise,
    "classify": recognise_classifier,
    "detect": Detection.recognise,
    "segment": Segmentation.recognise,
    "regress": Regression.recognise,
}
"""By name; the first that recognises the outputs is taken, and the last one takes any."""


AS_STATED = "as stated"
"""How the reason begins where the user names the task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedTask:
    """What the user states of the task.

    Attributes:
        name: `--task`, or the sidecar's `task`.
        classes: the sidecar's number of classes.
        decode: a function that reads boxes from the outputs (`--decode`), which makes it detection.
    """

    name: str | None = None
    classes: int | None = None
    decode: DecodeFunction | None = None


NOTHING_STATED = StatedTask()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTask:
    """A task, and why it is that one, as a clause."""

    task: Task
    reason: str


def find_task(
    network: NetworkOutputs, where: str, *, stated: StatedTask = NOTHING_STATED, tasks: Mapping[str, Recognise] = TASKS
) -> FoundTask:
    """Give the task of the network that the user calls `where`: the stated one, else the first that has such outputs.

    Raises:
        InputError: there is no such task, or it does not have such outputs.
    """
    network = replace(network, decode=stated.decode)
    name = "detect" if stated.name is None and stated.decode is not None else stated.name
    found = _first(network, tasks) if name is None else _named(network, where, name, tasks)
    classes = found.task.facts.get("classes", "no")
    if stated.classes not in (None, classes):
        raise InputError(
            f"the sidecar of {where} says {stated.classes} classes but the output {network.outputs[0].name} has "
            f"{classes}; correct it"
        )
    return found


def _first(network: NetworkOutputs, tasks: Mapping[str, Recognise]) -> FoundTask:
    for recognise in tasks.values():
        found = recognise(network)
        if not isinstance(found, str):
            return FoundTask(task=found, reason=f"found from the graph: {found.describe()}")
    raise AssertionError("the last task takes any outputs")


def _named(network: NetworkOutputs, where: str, name: str, tasks: Mapping[str, Recognise]) -> FoundTask:
    if name not in tasks:
        raise InputError(f"{where}: there is no task {name[:80]}; there are {', '.join(tasks)}")
    found = tasks[name](replace(network, asked=True))
    if isinstance(found, str):
        raise InputError(f"{where} is no network of the task {name}: {found}; leave out --task to have one found")
    return FoundTask(task=found, reason=f"{AS_STATED}: {found.describe()}")
