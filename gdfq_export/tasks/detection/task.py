"""Detection: outputs from which boxes, scores and classes are decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from calib.aim import Aim, NoAim
from calib.files.unlabelled_images import read_images
from calib.input_spec import InputSpec
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.tasks.detection.average_precision import mean_average_precision, with_interval
from gdfq_export.tasks.detection.coco_labels import FILE, read_coco
from gdfq_export.tasks.detection.coco_matching import coco_matches
from gdfq_export.tasks.detection.decoders.box_rows import BoxRows
from gdfq_export.tasks.detection.decoders.decoder import Decoder, image_size_of
from gdfq_export.tasks.detection.decoders.distribution_heads import DistributionHeads
from gdfq_export.tasks.detection.decoders.final_boxes import BoxesScoresClasses, BoxTable
from gdfq_export.tasks.detection.decoders.grid_heads import GridHeads
from gdfq_export.tasks.detection.decoders.user_function import UserFunction
from gdfq_export.tasks.detection.heads import head_values
from gdfq_export.tasks.detection.self_map import self_map
from gdfq_export.tasks.figures import ComparedOutputs, TaskFigure
from gdfq_export.tasks.labelled_images import LabelledImages
from gdfq_export.tasks.numeric_outputs import NumericOutputs
from gdfq_export.tasks.outputs import NetworkOutputs
from gdfq_export.tasks.regression.task import Regression

_DECODERS: tuple[Callable[[NetworkOutputs], Decoder | None], ...] = (
    DistributionHeads.recognise,
    BoxRows.recognise,
    GridHeads.recognise,
    BoxTable.recognise,
    BoxesScoresClasses.recognise,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection(NumericOutputs):
    """A network that finds objects.

    Attributes:
        compared: the heads, the last values that layers compute.
        decoder: how its outputs are read.
        outputs: all of them, as numbers.
    """

    name: ClassVar[str] = "detect"

    compared: tuple[str, ...]
    decoder: Decoder
    outputs: Regression

    @classmethod
    def recognise(cls, network: NetworkOutputs) -> Self | str:
        """Outputs that one of the decoders reads, or any where the user gives a function that does."""
        decoder: Decoder | None = None
        if network.decode is not None:
            decoder = UserFunction(image_size=image_size_of(network), function=network.decode)
        decoder = decoder or next(filter(None, (recognise(network) for recognise in _DECODERS)), None)
        if decoder is None:
            return (
                f"its outputs {network} are none that boxes are known to be read from; name a function that does, with "
                "--decode package.module:function"
            )
        heads = () if network.graph is None else head_values(network.graph.graph)
        outputs = Regression.recognise(network)
        return cls(compared=heads or outputs.compared, decoder=decoder, outputs=outputs)

    @property
    def aim(self) -> Aim:
        """Nothing is asked of the outputs."""
        return NoAim()

    def figures(self, compared: ComparedOutputs) -> tuple[TaskFigure, ...]:
        """Self-mAP, and with labels how much mAP quantization costs."""
        float_found, found = self.decoder(compared.float_network), self.decoder(compared.quantized)
        figures = []
        own, images = self_map(float_found, found), compared.images
        if not isinstance(own, NotMeasured):
            note = f"{own.objects} objects of {own.classes} classes that the float network finds"
            figures.append(
                TaskFigure(
                    name="self_map",
                    title="self-mAP at IoU 0.5",
                    unit="",
                    value=own.precision.value,
                    low=own.precision.low,
                    high=own.precision.high,
                    sample=images,
                    note=note,
                )
            )
        if compared.truth is not None:
            float_matches, matches = (coco_matches(each, compared.truth) for each in (float_found, found))
            drop = with_interval([*float_matches.values()], minus=[*matches.values()])
            both = [mean_average_precision([*each.values()]) for each in (float_matches, matches)]
            figures.append(
                TaskFigure(
                    name="map_drop_pp",
                    title="mAP@[.5:.95] drop",
                    unit="pp",
                    value=100 * drop.value,
                    low=100 * drop.low,
                    high=100 * drop.high,
                    sample=images,
                    note=f"float {both[0]:.4f}, quantized {both[1]:.4f}",
                )
            )
        return tuple(figures)

    def read_data(self, path: Path, spec: InputSpec) -> LabelledImages:
        """Images: a folder with COCO's annotations.json, a folder without, or an .npz."""
        if path.is_dir() and (path / FILE).is_file():
            return read_coco(path, spec)
        images, _ = read_images(path, spec)
        return LabelledImages(images=images, truth=None, source=str(path))

    def fits(self, shapes: Sequence[Sequence[int]]) -> bool:
        """Whether there are as many outputs, of the same ranks and known sizes."""
        return self.outputs.fits(shapes)

    def describe(self, shapes: Sequence[Sequence[int]] | None = None) -> str:
        """How the outputs are read, or their shapes."""
        return self.decoder.title if shapes is None else self.outputs.describe(shapes)
