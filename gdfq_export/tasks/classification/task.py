"""Image classification: one output of class scores or probabilities, `[N, classes]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from calib.aim import Aim, ClassAim
from calib.input_spec import InputSpec
from calib.samplers import RealSet
from gdfq_export.support.text import counted
from gdfq_export.tasks.classification.accuracy import Accuracy, measure_accuracy
from gdfq_export.tasks.classification.agreement import Agreement, measure_agreement
from gdfq_export.tasks.figures import ComparedOutputs, TaskFigure
from gdfq_export.tasks.labelled_images import LabelledImages
from gdfq_export.tasks.output_error import relative_error
from gdfq_export.tasks.outputs import NetworkOutputs, OutputArrays, Outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """A classifier.

    The divergence of softened answers (Hinton et al., arXiv 1503.02531) says less than the error of the logits: the
    float network is sure of images that were made for it to recognise, and its logits still differ.

    Attributes:
        classes: columns of the output, at least 2.
        compared: the logits: the value before a final Softmax or LogSoftmax, else the output.
        probabilities: the output is behind a Softmax.
    """

    name: ClassVar[str] = "classify"

    classes: int
    compared: tuple[str, ...]
    probabilities: bool = False

    @classmethod
    def recognise(cls, network: NetworkOutputs) -> Self | str:
        """One output [N, classes] with at least 2 classes and any number of images."""
        outputs = network.outputs
        if len(outputs) != 1:
            return (
                f"it has {len(outputs)} outputs ({network}) where a classifier has one, the class scores [N, classes]"
            )
        output, shape = outputs[0], outputs[0].shape
        if len(shape) != 2 or isinstance(shape[0], int) or not isinstance(shape[1], int) or shape[1] < 2:
            return f"its output is {output} where class scores are [N, classes] with at least 2 classes"
        if output.before_cut is not None:
            return f"no gradient reaches its output {output}"
        normalised = output.op_type in ("Softmax", "LogSoftmax") and output.axis in (None, -1, 1)
        logits = output.source if normalised and output.source is not None else output.name
        return cls(classes=shape[1], compared=(logits,), probabilities=output.op_type == "Softmax")

    @property
    def aim(self) -> Aim:
        """Images that the teacher puts into a given class."""
        return ClassAim(self.classes)

    @property
    def facts(self) -> Mapping[str, int]:
        """The number of classes."""
        return {"classes": self.classes}

    def error(self, found: Outputs, wanted: Outputs) -> Tensor:
        """Mean squared error of the logits by the variance of the float network's."""
        return relative_error(found, wanted)

    def agreement(self, float_outputs: OutputArrays, outputs: OutputArrays, source: str) -> Agreement:
        """Top-1 agreement, KL divergence, errors of the logits."""
        return measure_agreement(float_outputs[0], outputs[0], source, probabilities=self.probabilities)

    def accuracy(
        self, float_outputs: OutputArrays, outputs: OutputArrays, truth: NDArray[np.int64], source: str
    ) -> Accuracy:
        """Top-1 and top-5 accuracy against class labels int64 [N]."""
        return measure_accuracy(float_outputs[0], outputs[0], truth, source)

    def predicted(self, outputs: OutputArrays) -> NDArray[np.int64]:
        """The class of each image, int64 [N]."""
        found: NDArray[np.int64] = outputs[0].argmax(axis=1)
        return found

    def figures(self, compared: ComparedOutputs) -> tuple[TaskFigure, ...]:
        """None here: a report holds those of `agreement` and `accuracy`."""
        del compared
        return ()

    def read_data(self, path: Path, spec: InputSpec) -> LabelledImages:
        """Images with their classes, int64 [N]: an .npz, or a folder with labels.csv."""
        real = RealSet.load(path, spec, self.classes)
        return LabelledImages(images=real.images.numpy(), truth=real.labels.numpy(), source=real.origin)

    def warnings(self, accuracy: Accuracy) -> tuple[str, ...]:
        """A float network at chance level was not given what it was trained on."""
        top1 = accuracy.top1.float_network
        if top1.high >= 2 / self.classes or top1.images < 20:
            return ()
        return (
            f"the float network itself is right on {100 * top1.value:.1f} % of {accuracy.source}, which is "
            "chance; check --scale, --mean, --std and the order of the labels",
        )

    def fits(self, shapes: Sequence[Sequence[int]]) -> bool:
        """Whether the first output has as many classes."""
        first = shapes[0] if shapes else ()
        return not first or (len(first) == 2 and first[1] in (0, self.classes))

    def describe(self, shapes: Sequence[Sequence[int]] | None = None) -> str:
        """The number of classes, or of whatever else comes of an image."""
        first = (0, self.classes) if shapes is None else shapes[0]
        return counted(first[1], "class", "classes") if len(first) == 2 else f"outputs {[*first[1:]]}"
