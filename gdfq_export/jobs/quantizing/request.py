"""What to quantize, and what to measure it with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from calib.samplers import RealSet
from calib.synthetic_set import SyntheticSet
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.recipe import Recipe
from gdfq_export.tasks.labelled_images import LabelledImages


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeRequest:
    """What to quantize, and what to measure it with.

    Attributes:
        model: the float network.
        recipe: everything that decides what comes out, apart from the network and the seed.
        labelled: real images to score with; nothing is tuned on them.
        calibration: images to use instead of synthesizing; real ones are drawn in an order of the seed's.
        gates: limits by gate name; the report gets a verdict for each, nothing is raised.
        name: of the file, for the report.
    """

    model: FloatModel
    recipe: Recipe
    labelled: LabelledImages | None = None
    calibration: SyntheticSet | RealSet | None = None
    gates: Mapping[str, float | bool] = field(default_factory=dict)
    name: str = "model.onnx"
