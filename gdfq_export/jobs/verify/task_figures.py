"""The sections of a report that depend on what the outputs mean."""

from __future__ import annotations

from collections.abc import Sequence

from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import counted
from gdfq_export.tasks.classification.accuracy import Accuracy
from gdfq_export.tasks.classification.agreement import Agreement
from gdfq_export.tasks.classification.task import Classification
from gdfq_export.tasks.figures import ComparedOutputs, OutputError, TaskFigures
from gdfq_export.tasks.output_comparison import compare_outputs, output_figures
from gdfq_export.tasks.registry import FoundTask
from gdfq_export.tasks.task import Task

_FEW = 20  # images that may well be of one class

NO_LABELS = NotMeasured(
    reason="no labelled images were given; name them with --data, an .npz with images and labels or a folder with "
    "labels.csv"
)


def task_figures(found: FoundTask, compared: ComparedOutputs, *, real_images: bool = False) -> TaskFigures:
    """The error of each output, and the figures of the task."""
    errors = compare_outputs(compared)
    return TaskFigures(
        name=found.task.name,
        reason=found.reason,
        images=compared.images,
        source=compared.source,
        real_images=real_images,
        outputs=errors,
        figures=(*found.task.figures(compared), *output_figures(errors, compared.images)),
        constant_answer=_constant_answer(found.task, compared, errors),
    )


def class_agreement(task: Task, compared: ComparedOutputs) -> Agreement | NotMeasured:
    """The section `agreement` of a classifier."""
    if not isinstance(task, Classification):
        return _no_classes(task)
    found = task.agreement(compared.float_network, compared.quantized, compared.source)
    if all(error.constant for error in compare_outputs(compared)):
        images = counted(compared.images, "image")
        return NotMeasured(reason=f"the float network's output is the same for all {images} of {compared.source}")
    return found


def class_accuracy(task: Task, real: ComparedOutputs | None) -> Accuracy | NotMeasured:
    """The section `accuracy` of a classifier, from outputs for real images."""
    if not isinstance(task, Classification):
        return _no_classes(task)
    if real is None:
        return NO_LABELS
    return task.accuracy(real.float_network, real.quantized, real.truth, real.source)


def _constant_answer(task: Task, compared: ComparedOutputs, errors: Sequence[OutputError]) -> str | None:
    if all(error.constant for error in errors):
        return "the same numbers"
    if compared.images < _FEW or not isinstance(task, Classification):
        return None
    predicted = task.predicted(compared.float_network)
    return f"class {predicted[0]}" if (predicted == predicted[0]).all() else None


def _no_classes(task: Task) -> NotMeasured:
    return NotMeasured(reason=f"the network has no classes; the figures of its task, {task.name}, are under task")
