"""Segmentation: one output of masks, class scores `[N, C, H, W]` or one probability a pixel `[N, 1, H, W]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from calib.input_spec import InputSpec
from gdfq_export.errors import InputError
from gdfq_export.tasks.figures import ComparedOutputs, TaskFigure
from gdfq_export.tasks.labelled_images import LabelledImages
from gdfq_export.tasks.numeric_outputs import NumericOutputs
from gdfq_export.tasks.outputs import GraphOutput, NetworkOutputs
from gdfq_export.tasks.segmentation.mask_data import read_mask_data
from gdfq_export.tasks.segmentation.mask_iou import Masks, drop_interval, iou_interval, overlap

_LARGEST_STRIDE = 8  # of a mask's pixel; coarser maps are features


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation(NumericOutputs):
    """A network that classifies every pixel, or every block of pixels.

    Attributes:
        classes: of a pixel; 1 where it is one class or nothing.
        size: height and width of a mask.
        stride: pixels of the image, along each axis, to one of the mask.
        threshold: of the one class: 0.5 for probabilities, 0 for logits.
        compared: the masks' scores, before a final Softmax over classes or a final Sigmoid.
    """

    name: ClassVar[str] = "segment"

    classes: int
    size: tuple[int, int]
    stride: int
    threshold: float
    compared: tuple[str, ...]

    @classmethod
    def recognise(cls, network: NetworkOutputs) -> Self | str:
        """One output [N, C, H, W] of the image's size or a whole fraction, down to an eighth.

        One channel is a mask where it is a Sigmoid's; as many channels as the image has are an image, unless they are a
        Softmax's.
        """
        if len(network.outputs) != 1 or len(network.image) != 3:
            return f"its outputs are {network} where a segmenter has one, the masks [N, C, H, W]"
        output, (channels, height, width) = network.outputs[0], network.image
        stride = _stride(output, height, width)
        if stride is None:
            return f"its output is {output} where masks are [N, C, {height}, {width}] or a whole fraction of that"
        classes = output.shape[1]
        assert isinstance(classes, int)
        normalised = output.op_type == "Sigmoid" or (output.op_type == "Softmax" and output.axis in (1, -3))
        if not (network.asked or normalised or classes not in (1, channels)):
            return f"its output is {output}, which may be an image"
        scores = output.source if normalised and output.source is not None else output.name
        return cls(
            classes=classes,
            size=(height // stride, width // stride),
            stride=stride,
            threshold=0.5 if output.op_type == "Sigmoid" else 0.0,
            compared=output.before_cut or (scores,),
        )

    def figures(self, compared: ComparedOutputs) -> tuple[TaskFigure, ...]:
        """IoU of the float and the quantized network's masks; with labels the fall of mIoU as well."""
        masks, found = self._masks(compared.float_network[0]), self._masks(compared.quantized[0])
        occurring = np.union1d(masks, found)
        value, low, high = iou_interval(overlap(found, masks, self._counted(occurring)))
        both = TaskFigure(
            name="mask_iou",
            title="IoU of the masks with float's",
            unit="",
            value=value,
            low=low,
            high=high,
            sample=len(masks) if len(masks) > 1 else None,
            note=self._share(masks),
        )
        return (both,) if compared.truth is None else (both, self._drop(masks, found, compared))

    def read_data(self, path: Path, spec: InputSpec) -> LabelledImages:
        """Images with masks, or without: `images` and `masks` of an .npz, or of a folder."""
        return read_mask_data(path, spec, binary=self.classes == 1)

    def fits(self, shapes: Sequence[Sequence[int]]) -> bool:
        """Whether the first output has such masks."""
        first = shapes[0] if shapes else ()
        wanted = (self.classes, *self.size)
        return not first or (len(first) == 4 and all(a in (0, b) for a, b in zip(first[1:], wanted, strict=True)))

    def describe(self, shapes: Sequence[Sequence[int]] | None = None) -> str:
        """Size of the masks and number of classes."""
        if shapes is not None:
            return f"outputs {', '.join(str([*shape]) for shape in shapes)}"
        what = "one class" if self.classes == 1 else f"{self.classes} classes"
        return f"masks of {self.size[0]} x {self.size[1]} pixels, {what}"

    def _masks(self, scores: NDArray[np.float32]) -> Masks:
        """The class of each pixel, [N, H, W]."""
        if self.classes == 1:
            return (scores[:, 0] > self.threshold).astype(np.int64)
        masks: Masks = scores.argmax(axis=1).astype(np.int64)
        return masks

    def _counted(self, occurring: NDArray[np.int64]) -> NDArray[np.int64]:
        """The classes that count: all that occur, or the one that is not background."""
        return np.array([1]) if self.classes == 1 else occurring[occurring >= 0]

    def _share(self, masks: Masks) -> str:
        if self.classes > 1:
            return f"{len(np.unique(masks))} classes occur"
        return f"{100 * masks.mean():.1f} % of pixels are of the class"

    def _drop(self, masks: Masks, found: Masks, compared: ComparedOutputs) -> TaskFigure:
        truth: Masks = np.asarray(compared.truth)[:, self.stride // 2 :: self.stride, self.stride // 2 :: self.stride]
        if truth.shape != masks.shape or (self.classes > 1 and truth.max() >= self.classes):
            raise InputError(
                f"cannot score {compared.source}: its masks are {list(truth.shape)} with classes up to {truth.max()}, "
                f"the network's {list(masks.shape)} with {self.classes}; give masks of this network"
            )
        classes = self._counted(np.unique(truth))
        scores = [overlap(each, truth, classes) for each in (masks, found)]
        value, low, high = drop_interval(*scores)
        floats, quantized = (100 * each.mean_iou(np.ones(len(masks))) for each in scores)
        return TaskFigure(
            name="miou_drop_pp",
            title="mIoU drop",
            unit="pp",
            value=value,
            low=low,
            high=high,
            sample=len(masks) if len(masks) > 1 else None,
            note=f"mIoU float {floats:.2f} %, quantized {quantized:.2f} %",
        )


def _stride(output: GraphOutput, height: int, width: int) -> int | None:
    """Pixels of the image to one of the mask, the same along both axes; None where the output is no mask."""
    shape = output.shape
    if len(shape) != 4 or isinstance(shape[0], int) or not output.floating:
        return None
    channels, rows, columns = shape[1:]
    if not (isinstance(channels, int) and isinstance(rows, int) and isinstance(columns, int)) or min(rows, columns) < 1:
        return None
    stride = height // rows
    fits = (rows * stride, columns * stride) == (height, width) and stride <= _LARGEST_STRIDE
    return stride if fits else None
