"""Regression: any number of outputs of any rank, compared number by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from calib.files.unlabelled_images import read_images
from calib.input_spec import InputSpec
from gdfq_export.tasks.figures import ComparedOutputs, TaskFigure
from gdfq_export.tasks.labelled_images import LabelledImages
from gdfq_export.tasks.numeric_outputs import NumericOutputs
from gdfq_export.tasks.outputs import NetworkOutputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression(NumericOutputs):
    """A network of which nothing is known but that its outputs are numbers.

    Attributes:
        compared: the outputs; in the place of one without gradient, the nearest values before it that have one.
        outputs: names of all.
        shapes: theirs; a string where a size depends on the batch.
    """

    name: ClassVar[str] = "regress"

    compared: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: tuple[tuple[int | str, ...], ...]

    @classmethod
    def recognise(cls, network: NetworkOutputs) -> Self:
        """Any outputs."""
        outputs = network.outputs
        names = tuple(each.name for each in outputs)
        return cls(compared=network.compared, outputs=names, shapes=tuple(each.shape for each in outputs))

    def figures(self, compared: ComparedOutputs) -> tuple[TaskFigure, ...]:
        """None beside the error of each output."""
        del compared
        return ()

    def read_data(self, path: Path, spec: InputSpec) -> LabelledImages:
        """Images without labels: an .npz with `images`, or a folder of images."""
        images, _ = read_images(path, spec)
        return LabelledImages(images=images, truth=None, source=str(path))

    def fits(self, shapes: Sequence[Sequence[int]]) -> bool:
        """Whether there are as many outputs, of the same ranks and known sizes."""
        return len(shapes) == len(self.shapes) and all(map(_fits, shapes, self.shapes))

    def describe(self, shapes: Sequence[Sequence[int]] | None = None) -> str:
        """The shapes of the outputs."""
        texts = [_text(shape) for shape in (self.shapes if shapes is None else shapes)]
        if shapes is None:
            texts = [f"{name} {text}" for name, text in zip(self.outputs, texts, strict=True)]
        return f"outputs {', '.join(texts)}"


def _fits(found: Sequence[int], wanted: Sequence[int | str]) -> bool:
    if not found:
        return True
    known = zip(found[1:], wanted[1:], strict=False)
    return len(found) == len(wanted) and all(size in (0, own) or isinstance(own, str) for size, own in known)


def _text(shape: Sequence[int | str]) -> str:
    sizes = ["N", *shape[1:]] if shape else []
    return f"[{', '.join(map(str, sizes))}]"
