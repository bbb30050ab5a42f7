"""`data:` and `large_images:` the source of calibration and tuning images."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gdfq_export.recipe.section import Count, Rate, Section, Weight
from gdfq_export.recipe.tuning import FineTune

_COARSE_SHARE = 4  # steps at half the height and width take the time of one at full size


class Generator(Section):
    """The conditional generator G(z | y) and its training (GDFQ: cross-entropy + BatchNorm statistics)."""

    steps: Count = Field(180, description="training steps")
    batch: Annotated[int, Field(ge=2)] = Field(32, description="images per step")
    learning_rate: Rate = Field(1e-2, description="Adam's learning rate at the start")
    latent: Count = Field(100, description="length of the latent vector z")
    width: Count = Field(64, description="channels of the generator's coarsest feature map")
    bns_weight: Weight = Field(5.0, description="weight of the BatchNorm statistics loss beside the cross-entropy")
    bns_normalized: bool = Field(True, description="BatchNorm errors in units of the running standard deviation")
    diversity_weight: Weight = Field(2.0, description="weight of the diversity loss (distance within a class)")
    classes: Count = Field(100, description="most classes to learn; chosen at random where the network has more")
    crop_fraction: Annotated[float, Field(ge=0, le=1)] = Field(
        0.75, description="share of steps on crops, for images from 64 x 64 pixels"
    )


class Refinement(Section):
    """Optimization of the pixels until the network recognises the image (cross-entropy + BatchNorm statistics)."""

    steps: Annotated[int, Field(ge=0)] = Field(30, description="Adam steps for each batch")
    coarse_steps: Annotated[int, Field(ge=0)] = Field(
        0, description="steps before them on images of half the height and width, a quarter of the time each"
    )
    batch: Count = Field(32, description="images refined together, sharing their statistics")
    learning_rate: Rate = Field(1e-2, description="Adam's learning rate at the start, as a share of the input's range")
    bns_weight: Weight = Field(10.0, description="weight of the BatchNorm statistics loss beside the cross-entropy")
    variation_weight: Weight = Field(1.0, description="weight of the total variation loss")

    @property
    def full_size_steps(self) -> float:
        """As many steps at full size take the time of all."""
        return self.steps + self.coarse_steps / _COARSE_SHARE


class PublishedGenerator(Section):
    """GDFQ's generator training as published; its steps are also those of tuning.published."""

    steps: Count = Field(80_000, description="training steps; learning rates fall at each quarter")
    batch: Annotated[int, Field(ge=2)] = Field(200, description="images per step; published: CIFAR 200, ImageNet 16")
    learning_rate: Rate = Field(1e-3, description="Adam's learning rate for the generator at the start")
    bns_weight: Weight = Field(0.1, description="weight of the unnormalised BatchNorm statistics loss")


class ZeroQ(Section):
    """ZeroQ: images distilled from the BatchNorm statistics, each by itself."""

    steps: Count = Field(500, description="Adam steps for each batch")
    batch: Count = Field(64, description="images distilled at a time")
    learning_rate: Rate = Field(0.5, description="Adam's learning rate, in standard deviations of the input")


class Data(Section):
    """The source of calibration and tuning images."""

    method: Literal["gdfq", "gdfq-refined", "refined", "noise", "zeroq", "published", "real"] = Field(
        "gdfq",
        description="gdfq: a generator trained on the network; gdfq-refined: its images, pixels optimized; refined: "
        "dead leaves and 1/f noise, pixels optimized; noise: Gaussian noise; zeroq: ZeroQ; published: GDFQ as "
        "published; real: images given as --calibration",
    )
    images: Count = Field(1024, description="images for fine-tuning")
    generator: Generator = Field(Generator(), description="for the methods gdfq and gdfq-refined")
    refinement: Refinement = Field(Refinement(), description="for the methods gdfq-refined and refined")
    zeroq: ZeroQ = Field(ZeroQ(), description="for the method zeroq")
    published: PublishedGenerator = Field(PublishedGenerator(), description="for the method published")


LARGE_DATA = Data(
    method="refined", images=64, refinement=Refinement(steps=40, batch=64, learning_rate=7e-3, bns_weight=250.0)
)


class LargeImages(Section):
    """Overrides for large images, where a generator needs too long to learn classes and each image is expensive."""

    replaced: ClassVar = frozenset({"gdfq", "gdfq-refined"})
    """Methods that `data` takes the place of."""

    pixels: Count = Field(128 * 128, description="height x width from which this section applies")
    data: Data = Field(
        LARGE_DATA,
        description="replaces the methods gdfq and gdfq-refined; unless a recipe states other numbers than these, "
        "images are not refined at 8 bits",
    )
    calibration_images: Count = Field(64, description="upper limit of calibration.images")
    refit_ridge: Weight | None = Field(None, description="takes the place of tuning.refit_ridge")
    finetune_steps: Annotated[int, Field(ge=0)] = Field(
        0, description="upper limit of fine-tuning steps; they gained nothing on real images (docs/measured.md)"
    )
    finetune_batch: Annotated[int, Field(ge=2)] = Field(16, description="upper limit of images per fine-tuning step")
    agreement_images: Count = Field(32, description="upper limit of verify.agreement_images")

    def limited(self, finetune: FineTune | None) -> FineTune | None:
        """The fine-tuning within this section's limits, None where they leave no step."""
        if finetune is None or not self.finetune_steps:
            return None
        steps, batch = min(finetune.steps, self.finetune_steps), min(finetune.batch, self.finetune_batch)
        return finetune.model_copy(update={"steps": steps, "batch": batch})
