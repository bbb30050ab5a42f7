"""One recipe: its sections, how it adapts to the size of the images, and its format as JSON Schema."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from calib.input_spec import IMAGE_RANK
from gdfq_export.recipe.bits import Bits
from gdfq_export.recipe.data import LARGE_DATA, Data, LargeImages, Refinement
from gdfq_export.recipe.gates import Gates
from gdfq_export.recipe.section import Count, Section
from gdfq_export.recipe.tuning import Calibration, Tuning
from gdfq_export.targets import TARGETS

_FULL_SIZE = 320 * 320  # pixels of an image
_FEWEST = 8  # images
_FEWEST_UNREFINED = 32  # images that cost no refinement
_UNREFINED_BITS = 8
_MATCHED_PERCENTILE = 99.999

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def _known_target(name: str) -> str:
    if name not in TARGETS:
        raise ValueError("unknown target")
    return name


def _affordable(images: int, shape: Sequence[int]) -> int:
    """Fewer of the images, at least 8, where one has more pixels than 320 x 320: as much memory and time for all."""
    share = min(1.0, _FULL_SIZE / math.prod(shape[1:]))
    return min(images, max(_FEWEST, round(images * share)))


class Verify(Section):
    """Size of the measurements at the end of a run."""

    agreement_images: Count = Field(512, description="fresh images for the agreement with the float network")
    parity_images: Count = Field(256, description="images whose integers are compared with the simulation")
    latency_seconds: Annotated[float, Field(ge=0, le=600)] = Field(3.0, description="of latency measurement; 0: none")


class Budget(Section):
    """Upper limits of a run with `--budget`; more would not improve the result. Unused without `--budget`."""

    images: Count = Field(1024, description="most images to refine")
    finetune_steps: Annotated[int, Field(ge=0)] = Field(
        0, description="most fine-tuning steps, where the recipe itself has fewer"
    )
    finetune_batch: Annotated[int, Field(ge=2)] = Field(64, description="images per fine-tuning step")


class Recipe(Section):
    """One recipe file."""

    name: Annotated[str, Field(min_length=1)] = Field(description="name, written to the report and the file")
    description: str = Field("", description="one sentence for lists")
    target: Annotated[str, AfterValidator(_known_target), Field(json_schema_extra={"enum": [*TARGETS]})] = Field(
        "ort-cpu", description="runtime that the file is written for"
    )
    bits: Bits = Field(Bits(), description="bit widths by kind of tensor")
    data: Data = Field(Data(), description="source of calibration and tuning images")
    calibration: Calibration = Field(Calibration(), description="range estimation")
    tuning: Tuning = Field(Tuning(), description="adjustments after calibration")
    verify: Verify = Field(Verify(), description="size of the measurements at the end")
    gates: Gates = Field(Gates(), description="limits on measured figures; they do not change the file")
    budget: Budget = Field(Budget(), description="upper limits of images and steps with --budget")
    large_images: LargeImages = Field(LargeImages(), description="overrides for large images")

    @property
    def images_drawn(self) -> int:
        """Number of images that a run draws to calibrate and fine-tune on."""
        return max(self.calibration.images, self.data.images if self.tuning.finetune is not None else 0)

    def keeping(self, floats: Sequence[str], wide: Sequence[str]) -> Recipe:
        """The recipe with more nodes kept float, or with 16-bit activations (`bits.keep_float`, `bits.keep_int16`)."""
        bits = self.bits
        kept = {
            "keep_float": tuple(dict.fromkeys([*bits.keep_float, *floats])),
            "keep_int16": tuple(dict.fromkeys([*bits.keep_int16, *wide])),
        }
        return self.model_copy(update={"bits": bits.model_copy(update=kept)})

    def with_precision(self, precision: str | None) -> Recipe:
        """The recipe with another `bits.precision`, `fixed` or `auto`; None changes nothing."""
        if precision is None:
            return self
        return self.model_copy(update={"bits": self.bits.model_copy(update={"precision": precision})})

    def for_input(self, shape: Sequence[int]) -> Recipe:
        """The recipe as it is used for inputs of `shape` (C, ...), without the batch.

        Large images (`large_images`) come from priors in place of a generator. At 8 bits they are not refined, which
        takes minutes for nothing that was measured, unless the recipe has a `large_images.data` of its own. They are
        not fine-tuned unless `large_images.finetune_steps` says so.
        Ranges of the largest are observed with BatchNorm's statistics (`calibration.match_statistics`). Integers are
        compared on as many as outputs are: each has millions of them. Signals, volumes and features have no generator
        and come from priors at every size.
        """
        large = self.large_images
        if math.prod(shape[1:]) < large.pixels:
            if len(shape) == IMAGE_RANK or self.data.method not in large.replaced:
                return self
            return self.model_copy(update={"data": self.data.model_copy(update={"method": "refined"})})
        data = self._large_data() if self.data.method in large.replaced else self.data
        together = _affordable(data.refinement.batch, shape)
        data = data.model_copy(update={"refinement": data.refinement.model_copy(update={"batch": together})})
        unrefined = data.method == "refined" and not data.refinement.full_size_steps
        most = min(self.calibration.images, large.calibration_images)
        images = max(_affordable(most, shape), min(most, _FEWEST_UNREFINED) if unrefined else 0)
        calibration: dict[str, Any] = {"images": images}
        if self.calibration.match_statistics is None:
            calibration["match_statistics"] = unrefined and math.prod(shape[1:]) > _FULL_SIZE
        agreement = _affordable(min(self.verify.agreement_images, large.agreement_images), shape)
        parity = min(self.verify.parity_images, agreement)
        budget = {
            "finetune_batch": min(self.budget.finetune_batch, large.finetune_batch),
            "finetune_steps": min(self.budget.finetune_steps, large.finetune_steps),
        }
        tuning = {"finetune": large.limited(self.tuning.finetune), "refit_ridge": large.refit_ridge}
        return self.model_copy(
            update={
                "data": data,
                "tuning": self.tuning.model_copy(update=tuning),
                "budget": self.budget.model_copy(update=budget),
                "calibration": self.calibration.model_copy(update=calibration),
                "verify": self.verify.model_copy(update={"agreement_images": agreement, "parity_images": parity}),
            }
        )

    def for_matched_statistics(self) -> Recipe:
        """The recipe for a network with BatchNorm: of matched values, one in 100,000 on each side is left out.

        Few images of the right mean and deviation have longer tails than many: `minmax` would follow them.
        """
        calibration = self.calibration
        if not calibration.match_statistics or calibration.activations != "minmax":
            return self
        narrowed = calibration.model_copy(update={"activations": "percentile", "percentile": _MATCHED_PERCENTILE})
        return self.model_copy(update={"calibration": narrowed})

    def _large_data(self) -> Data:
        data = self.large_images.data
        if data != LARGE_DATA:
            return data
        if min(self.bits.weights, self.bits.activations) < _UNREFINED_BITS:
            return data
        return data.model_copy(update={"refinement": Refinement(steps=0)})


def recipe_schema() -> dict[str, Any]:
    """The schema as JSON data: every key with its description, default and bounds; unknown keys are refused."""
    schema = Recipe.model_json_schema()
    schema["title"] = "gdfq-export recipe"
    schema["description"] = "All settings that determine the file gdfq-export writes, except the network and the seed."
    return {"$schema": DIALECT, **schema}
