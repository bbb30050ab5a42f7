"""`data:` and `large_images:` where calibration and tuning images come from."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gdfq_export.recipe.section import Count, Rate, Section, Weight

__all__ = ["Data", "Generator", "LargeImages", "PublishedGenerator", "Refinement", "ZeroQ"]


class Generator(Section):
    """The conditional generator G(z | y) and its training (GDFQ: cross-entropy + BatchNorm statistics)."""

    steps: Count = Field(180, description="of its training")
    batch: Annotated[int, Field(ge=2)] = Field(32, description="images of a step")
    learning_rate: Rate = Field(1e-2, description="of its training")
    latent: Count = Field(100, description="length of the noise vector z")
    width: Count = Field(64, description="channels of the generator's coarse grid")
    bns_weight: Weight = Field(5.0, description="weight of the BatchNorm statistics loss beside the cross-entropy")
    bns_normalized: bool = Field(True, description="errors in units of the running standard deviation")
    diversity_weight: Weight = Field(2.0, description="weight of the distance between images of one class")
    classes: Count = Field(100, description="classes learned and drawn, chosen at random where there are more")
    crop_fraction: Annotated[float, Field(ge=0, le=1)] = Field(
        0.75, description="share of steps on crops of large images"
    )


class Refinement(Section):
    """Pixels, refined until the network recognises the image (cross-entropy + BatchNorm statistics)."""

    steps: Annotated[int, Field(ge=0)] = Field(30, description="of each batch")
    batch: Count = Field(32, description="images refined together")
    learning_rate: Rate = Field(1e-2, description="as a share of the input's range")
    bns_weight: Weight = Field(10.0, description="weight of the BatchNorm statistics loss beside the cross-entropy")
    variation_weight: Weight = Field(1.0, description="weight of the total variation")


class PublishedGenerator(Section):
    """GDFQ's generator and its training as published; the run's length is that of tuning.published as well."""

    steps: Count = Field(80_000, description="the published 400 epochs of 200; learning rates fall at its quarters")
    batch: Annotated[int, Field(ge=2)] = Field(200, description="published: 200 for CIFAR, 16 for ImageNet")
    learning_rate: Rate = Field(1e-3, description="of the generator, at the start")
    bns_weight: Weight = Field(0.1, description="weight of the unnormalised BatchNorm statistics loss")


class ZeroQ(Section):
    """ZeroQ's images, distilled from the BatchNorm statistics one by one."""

    steps: Count = Field(500, description="of each batch")
    batch: Count = Field(64, description="images distilled side by side")
    learning_rate: Rate = Field(0.5, description="in standard deviations of the input")


class Data(Section):
    """Where calibration and tuning images come from; `real` takes those that the user gives, all others make them."""

    method: Literal["gdfq", "gdfq-refined", "refined", "noise", "zeroq", "published", "real"] = Field(
        "gdfq",
        description="gdfq: a generator; gdfq-refined: its images refined; refined: shapes and spectra refined; zeroq: "
        "distilled; published: GDFQ beside its fine-tuning; real: given as --calibration",
    )
    images: Count = Field(1024, description="images drawn where there is fine-tuning")
    generator: Generator = Field(Generator(), description="for methods gdfq and gdfq-refined")
    refinement: Refinement = Field(Refinement(), description="for methods gdfq-refined and refined")
    zeroq: ZeroQ = Field(ZeroQ(), description="for method: zeroq")
    published: PublishedGenerator = Field(PublishedGenerator(), description="for method: published")


_LARGE_DATA = Data(
    method="refined", images=64, refinement=Refinement(steps=40, batch=64, learning_rate=7e-3, bns_weight=250.0)
)


class LargeImages(Section):
    """What holds instead for large inputs, where a generator learns no classes in minutes and every image is dear."""

    replaced: ClassVar = frozenset({"gdfq", "gdfq-refined"})
    """Methods that `data` takes the place of."""

    pixels: Count = Field(128 * 128, description="height times width from which this section holds")
    data: Data = Field(_LARGE_DATA, description="in place of methods gdfq and gdfq-refined")
    calibration_images: Count = Field(64, description="at most so many calibration.images")
    finetune_batch: Annotated[int, Field(ge=2)] = Field(
        16, description="at most so many images of a step of fine-tuning"
    )
    agreement_images: Count = Field(32, description="at most so many verify.agreement_images")
