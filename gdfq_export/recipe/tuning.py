"""`calibration:` and `tuning:` what becomes of ranges, weights and biases."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gdfq_export.recipe.section import Count, Rate, Section, Share, Weight

__all__ = ["Calibration", "FineTune", "PublishedFineTune", "Tuning"]


class Calibration(Section):
    """How the range of each quantized tensor is estimated."""

    activations: Literal["mse", "minmax", "percentile", "entropy", "batchnorm"] = Field(
        "mse", description="what decides the range of an activation; batchnorm needs no images"
    )
    weights: Literal["mse", "minmax"] = Field("mse", description="what decides the scale of a channel's weights")
    percentile: Annotated[float, Field(gt=50, le=100)] = Field(99.99, description="for activations: percentile")
    sigmas: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        6.0, description="for activations: batchnorm, how many standard deviations a range reaches from the mean"
    )
    images: Count = Field(512, description="images of the draw that are observed")
    outliers: Annotated[float, Field(gt=1, allow_inf_nan=False)] | None = Field(
        10.0, description="images that drive a layer to more than so many times its usual strength are left out"
    )


class FineTune(Section):
    """Distillation of the float network into the simulated low-bit one."""

    steps: Count = Field(150, description="of the whole schedule")
    batch: Annotated[int, Field(ge=2)] = Field(64, description="images of a step")
    learning_rate: Rate = Field(1e-2, description="as a share of each weight's or bias's root mean square")
    scale_learning_rate: Rate = Field(3e-3, description="for the logarithms of the quantizers' scales")
    feature_weight: Weight = Field(1.0, description="weight of the features' relative error beside the logits'")


class PublishedFineTune(Section):
    """GDFQ's fine-tuning as published, side by side with its generator (data.method: published)."""

    learning_rate: Rate = Field(1e-4, description="published: 1e-4 for CIFAR, 1e-6 for ImageNet")
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(20.0, description="of the softened logits")
    alpha: Weight = Field(1.0, description="weight of the divergence times temperature^2 beside the cross-entropy")
    kl_reduction: Literal["mean", "batchmean"] = Field(
        "mean", description="mean divides the divergence by the classes too, as the authors' code does"
    )
    warmup: Share = Field(0.01, description="share of the steps that train the generator only")
    followed: Share = Field(0.01, description="share of the steps in which activation ranges follow the batches")


class Tuning(Section):
    """What is adjusted after calibration."""

    rounding: bool = Field(True, description="compensate the weights' rounding errors, seen from their inputs")
    refit: bool = Field(False, description="before rounding, fit each layer to the float one on its quantized inputs")
    refit_ridge: Weight = Field(0.3, description="how firmly the fit is held to the float weights")
    activation_scales: bool = Field(False, description="choose activations' scales anew behind the tuned layers")
    equalization: Literal["none", "weights", "activations"] = Field(
        "none",
        description="scale channels between neighbouring layers: to equal ranges of the weights on both sides, or for "
        "activations that share a scale",
    )
    absorption: bool = Field(False, description="move biases that are high for their channel into the next layer")
    bias_correction: Literal["none", "empirical", "analytic"] = Field(
        "empirical", description="move each channel's mean onto the float network's: as images or BatchNorm tell it"
    )
    finetune: FineTune | None = Field(None, description="at last, all layers together; null leaves it out")
    published: PublishedFineTune | None = Field(None, description="in place of all of the above and of calibration")
