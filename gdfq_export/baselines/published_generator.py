"""The two generators of GDFQ as published (Xu et al. 2020, section 3.1; github.com/xushoukai/GDFQ, main.py).

Both: a linear layer makes 128 channels on a grid of a quarter of the image's side, then twice nearest upsampling and a
3x3 convolution with BatchNorm and LeakyReLU(0.2), a last 3x3 convolution to colours, tanh, and a BatchNorm without
affine. The authors' second positional argument of BatchNorm, 0.8, is its eps.

They differ in where the label enters. For small images the latent is multiplied by the label's embedding; for large
ones the latent goes in as it is and every hidden BatchNorm takes gain and bias from the label.

The last BatchNorm gives standardised images (mean 0, standard deviation 1), which are the network's input where the
preprocessing standardises; elsewhere they are moved to the InputSpec's `centre` and `spread`. As published, no bound
keeps a pixel inside the input's range. Sides that four does not divide are rounded up, and the image is cropped.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from calib.input_spec import InputSpec

LATENT = 100
CHANNELS = (128, 128, 64)
SMALLEST_LARGE = 64  # pixels of the shorter side from which the generator for ImageNet is taken
EPS = 0.8


class PublishedGeneratorNetwork(nn.Module):
    """What both generators share; `forward` makes images [N, C, H, W] from z [N, 100] and labels int64 [N]."""

    centre: Tensor
    spread: Tensor

    def __init__(self, input_spec: InputSpec) -> None:
        super().__init__()
        colours, height, width = input_spec.shape
        self.grid = (math.ceil(height / 4), math.ceil(width / 4))
        self.size = (height, width)
        self.coarse = nn.Linear(LATENT, CHANNELS[0] * self.grid[0] * self.grid[1])
        self.first = nn.Conv2d(CHANNELS[0], CHANNELS[1], 3, padding=1)
        self.second = nn.Conv2d(CHANNELS[1], CHANNELS[2], 3, padding=1)
        self.to_image = nn.Conv2d(CHANNELS[2], colours, 3, padding=1)
        self.image_norm = nn.BatchNorm2d(colours, affine=False)
        self.register_buffer("centre", torch.tensor(input_spec.centre).reshape(1, -1, 1, 1))
        self.register_buffer("spread", torch.tensor(input_spec.spread).reshape(1, -1, 1, 1))

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Make images [N, C, H, W] in the network's input units."""
        features = self.coarse(self.latent(z, labels)).reshape(z.shape[0], CHANNELS[0], *self.grid)
        features = self.norm(0, features, labels)
        for stage, convolution in enumerate((self.first, self.second), start=1):
            features = convolution(functional.interpolate(features, scale_factor=2.0, mode="nearest"))
            features = functional.leaky_relu(self.norm(stage, features, labels), 0.2)
        colours = torch.tanh(self.to_image(features)[:, :, : self.size[0], : self.size[1]])
        images: Tensor = self.centre + self.spread * self.image_norm(colours)
        return images

    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        """Give what enters the linear layer, [N, 100]."""
        raise NotImplementedError

    def norm(self, stage: int, features: Tensor, labels: Tensor) -> Tensor:
        """Normalise the features of one of the three hidden stages."""
        raise NotImplementedError


class LabelInLatent(PublishedGeneratorNetwork):
    """The generator for CIFAR: z times the label's embedding; 116 M multiply-accumulates for an image of 3x32x32."""

    def __init__(self, num_classes: int, input_spec: InputSpec) -> None:
        super().__init__(input_spec)
        self.embedding = nn.Embedding(num_classes, LATENT)
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(channels, eps=eps) for channels, eps in zip(CHANNELS, (1e-5, EPS, EPS), strict=True)
        )

    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        """Multiply z by the embedding."""
        return torch.mul(self.embedding(labels), z)

    def norm(self, stage: int, features: Tensor, labels: Tensor) -> Tensor:
        """Apply BatchNorm whatever the label."""
        del labels
        normalized: Tensor = self.norms[stage](features)
        return normalized


class LabelInNorms(PublishedGeneratorNetwork):
    """The generator for ImageNet: every hidden BatchNorm has a gain and a bias for each class."""

    def __init__(self, num_classes: int, input_spec: InputSpec) -> None:
        super().__init__(input_spec)
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(channels, eps=eps, affine=False)
            for channels, eps in zip(CHANNELS, (1e-5, EPS, EPS), strict=True)
        )
        self.gains = nn.ModuleList(nn.Embedding(num_classes, channels) for channels in CHANNELS)
        self.biases = nn.ModuleList(nn.Embedding(num_classes, channels) for channels in CHANNELS)
        for gain, bias in zip(self.gains, self.biases, strict=True):
            nn.init.ones_(gain.get_parameter("weight"))
            nn.init.zeros_(bias.get_parameter("weight"))

    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        """Give z as it is."""
        del labels
        return z

    def norm(self, stage: int, features: Tensor, labels: Tensor) -> Tensor:
        """Apply BatchNorm with the gain and the bias of each image's label."""
        gain, bias = (table[stage](labels)[:, :, None, None] for table in (self.gains, self.biases))
        normalized: Tensor = gain * self.norms[stage](features) + bias
        return normalized


def make_published_generator(num_classes: int, input_spec: InputSpec) -> PublishedGeneratorNetwork:
    """Make the generator for ImageNet where the shorter side has at least 64 pixels, else the one for CIFAR."""
    large = min(input_spec.shape[1:]) >= SMALLEST_LARGE
    return (LabelInNorms if large else LabelInLatent)(num_classes, input_spec)
