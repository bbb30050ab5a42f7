"""Figures of a task: what outputs of the quantized network are worth beside the float network's.

The error of every output needs no knowledge of what it means, so each task has it. What a task knows beyond that is a
`TaskFigure` each, named like the gate that limits it: the gate `min-mask-iou` reads the figure `mask_iou`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gdfq_export.tasks.outputs import OutputArrays


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedOutputs:
    """Outputs of both networks for the same images.

    Attributes:
        images: how many.
        names: of the outputs, in the order of the files.
        float_network: the float network's, `[N, ...]` each.
        quantized: the quantized network's, of the same shapes.
        source: what the images are.
        truth: what the task read beside the images (`Task.read_data`), None without labels.
    """

    images: int
    names: Sequence[str]
    float_network: OutputArrays
    quantized: OutputArrays
    source: str
    truth: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputError:
    """The error of one output, over all images.

    Attributes:
        output: its name.
        shape: of one image's output, without the batch.
        snr_db: signal power by error power, dB, with its 95 % interval over images.
        snr_low_db: its lower end.
        snr_high_db: its upper end.
        cosine: of the float and the quantized output of an image, the mean over images, with its 95 % interval.
        cosine_low: its lower end.
        cosine_high: its upper end.
        max_abs_error: the largest error of an element.
        constant: the float network gives the same for all images (two at least).
    """

    output: str
    shape: Sequence[int]
    snr_db: float
    snr_low_db: float
    snr_high_db: float
    cosine: float
    cosine_low: float
    cosine_high: float
    max_abs_error: float
    constant: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFigure:
    """One figure of a task with its 95 % interval.

    Attributes:
        name: that of its gate without min or max: `mask_iou`, `map_drop_pp`.
        title: for tables: `IoU of the masks`.
        unit: `dB`, `pp` (percentage points) or empty for a ratio.
        value: the figure.
        low: lower end of the interval; the value where the figure is exact.
        high: its upper end.
        sample: how many `each` the interval comes from, None for an exact figure.
        each: `image`, `pair`, `box`.
        note: more about it, the end of a sentence: `float 0.71, quantized 0.70`.
    """

    name: str
    title: str
    unit: str
    value: float
    low: float
    high: float
    sample: int | None
    each: str = "image"
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFigures:
    """The task of a network and its figures.

    Attributes:
        name: `classify`, `detect`, `segment`, `embed`, `regress`.
        reason: why it is this task.
        images: how many were compared.
        source: what they are.
        real_images: the user gave them as real ones.
        outputs: the error of each output.
        figures: those of the task; classification's are the report's `accuracy` and `agreement`.
        constant_answer: what the float network answers to every image, where it is the same to all, so that no figure
            above says much; else None.
        simulated: the error of each output against the integer simulation, where integers are not compared one by one.
    """

    name: str
    reason: str
    images: int
    source: str
    real_images: bool
    outputs: Sequence[OutputError]
    figures: Sequence[TaskFigure]
    constant_answer: str | None = None
    simulated: Sequence[OutputError] = ()
