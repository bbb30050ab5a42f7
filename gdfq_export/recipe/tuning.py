"""`calibration:` and `tuning:` how ranges are estimated and weights and biases adjusted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gdfq_export.recipe.section import Count, Rate, Section, Share, Weight


class Calibration(Section):
    """Range estimation of quantized tensors."""

    activations: Literal["mse", "minmax", "percentile", "entropy", "batchnorm"] = Field(
        "mse", description="range estimator of activations; batchnorm needs no images"
    )
    weights: Literal["mse", "minmax"] = Field("mse", description="scale estimator of each output channel's weights")
    percentile: Annotated[float, Field(gt=50, le=100)] = Field(99.99, description="for activations: percentile")
    sigmas: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        6.0, description="half range in standard deviations, for activations: batchnorm"
    )
    images: Count = Field(512, description="images to observe")
    match_statistics: bool | None = Field(
        None,
        description="give values the mean and deviation that BatchNorm knows while ranges are observed; null: where "
        "images of more than 320 x 320 pixels are not refined; minmax then leaves out one value in 100,000",
    )
    outliers: Annotated[float, Field(gt=1, allow_inf_nan=False)] | None = Field(
        10.0, description="drop images with activation RMS above so many times a layer's median"
    )


class FineTune(Section):
    """Fine-tuning by distillation: the float network teaches the simulated low-bit one."""

    steps: Count = Field(150, description="training steps")
    batch: Annotated[int, Field(ge=2)] = Field(64, description="images per step")
    learning_rate: Rate = Field(1e-2, description="learning rate of weights and biases, relative to each tensor's RMS")
    scale_learning_rate: Rate = Field(3e-3, description="learning rate of the logarithms of the scales")
    feature_weight: Weight = Field(1.0, description="weight of the feature loss beside the outputs'")


class PublishedFineTune(Section):
    """GDFQ's fine-tuning as published, together with its generator (data.method: published)."""

    learning_rate: Rate = Field(1e-4, description="SGD's learning rate; published: 1e-4 for CIFAR, 1e-6 for ImageNet")
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        20.0, description="of the distillation loss"
    )
    alpha: Weight = Field(1.0, description="weight of temperature^2 x KL divergence beside the cross-entropy")
    kl_reduction: Literal["mean", "batchmean"] = Field(
        "mean", description="mean also divides by the classes, as in the authors' code"
    )
    warmup: Share = Field(0.01, description="share of the steps that train only the generator")
    followed: Share = Field(0.01, description="share of the steps in which activation ranges follow a moving average")


class Tuning(Section):
    """Adjustments after calibration."""

    rounding: bool = Field(True, description="round weights with error compensation on the layer's inputs (GPTQ)")
    refit: bool = Field(False, description="before rounding, fit weights to the float outputs (ridge)")
    refit_ridge: Weight | None = Field(
        0.3,
        description="ridge penalty that keeps fitted weights near the float ones; null: for each layer, the one of "
        "least error on images that were not fitted",
    )
    activation_scales: bool = Field(False, description="choose activation scales again after tuning layers")
    equalization: Literal["none", "weights", "activations"] = Field(
        "none",
        description="cross-layer equalization. weights: equal weight ranges on both sides (DFQ); activations: channels "
        "fill the range of the activation they share",
    )
    split_channels: bool = Field(
        False,
        description="replace channels that say next to nothing by copies of others, a fraction of a step apart",
    )
    absorption: bool = Field(False, description="absorb high biases into the next layer (DFQ)")
    bias_correction: Literal["none", "empirical", "analytic"] = Field(
        "empirical",
        description="match channel means to the float network's: measured on images or computed from BatchNorm",
    )
    finetune: FineTune | None = Field(None, description="fine-tuning of all layers together, last; null: none")
    published: PublishedFineTune | None = Field(
        None, description="GDFQ's own tuning, replacing all others and calibration; null: none"
    )
