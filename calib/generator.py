"""The conditional generator G(z | y) (GDFQ, Xu et al. 2020, section 3.1), small enough to train on one CPU thread.

From the published CIFAR generator: the latent is multiplied by a label embedding, a linear layer makes a coarse grid,
and every stage upsamples (nearest), convolves 3x3 and applies BatchNorm(eps 0.8) and LeakyReLU(0.2). What differs,
and why:

* Channels halve (down to 16) where the resolution doubles, so each stage costs about the same: 12 M
  multiply-accumulates at 3x32x32 with width 64, against 114 M as published; 73 M at 3x224x224 with width 128. The
  coarse grid is 7 to 13 on its short side, the stages stop at 56, and the last convolution (to colours) runs at the
  full size after a nearest resize and a crop.
* The embedding is also appended to the product. The product has zero mean, so by itself it carries the label in its
  second moments only, which a thousand classes and short training do not forgive.
* The published generator ends tanh -> BatchNorm without affine: unbounded, so its images may be no images. Here an
  affine BatchNorm comes *before* the tanh, and the tanh is mapped to the channel's range [low, high] of the
  InputSpec.
* Per-pixel noise with a learned strength per channel enters at every scale (StyleGAN, Karras et al. 2019, section
  3.2): variety within a class that the generator need not carve out of one latent.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from calib.device.transfer import send
from calib.input_spec import InputSpec
from calib.parallel.processes import Share

SMALLEST_GRID = 7
LARGEST_CONVOLVED = 56
FEWEST_CHANNELS = 16
INITIAL_NOISE = 0.1
INITIAL_CONTRAST = 0.6


class _Noise(nn.Module):
    """Gaussian noise, the same for all channels of a pixel, times a learned strength per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.full((1, channels, 1, 1), INITIAL_NOISE))

    def forward(self, features: Tensor, noise: torch.Generator | None, share: Share | None) -> Tensor:
        if noise is None:
            return features
        shape = (features.shape[0], 1, *features.shape[2:])
        drawn = torch.randn(shape, generator=noise) if share is None else share.normal(shape, noise)
        return features + self.strength * send(drawn, features.device)


class _Stage(nn.Module):
    """Noise, 3x3 convolution, BatchNorm, LeakyReLU at one resolution."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.noise = _Noise(channels_in)
        self.convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels_out, eps=0.8)

    def forward(self, features: Tensor, noise: torch.Generator | None, share: Share | None) -> Tensor:
        return functional.leaky_relu(self.norm(self.convolution(self.noise(features, noise, share))), 0.2)


class ConditionalGenerator(nn.Module):
    """Make images of given labels, every value inside the range of its channel.

    Args:
        num_classes: labels are 0 .. num_classes - 1.
        input_spec: shape and range of the images.
        latent: length of z and of a label's embedding.
        width: channels of the coarse grid; multiplications grow with its square.
    """

    low: Tensor
    high: Tensor

    def __init__(self, num_classes: int, input_spec: InputSpec, latent: int, width: int) -> None:
        super().__init__()
        channels, height, breadth = input_spec.shape
        doublings = max(0, int(math.log2(min(height, breadth) / SMALLEST_GRID)))
        self.grid = (math.ceil(height / 2**doublings), math.ceil(breadth / 2**doublings))
        self.size = (height, breadth)
        self.cell = 1 << doublings
        convolved = [
            stage for stage in range(doublings + 1) if max(self.grid) << stage <= LARGEST_CONVOLVED or not stage
        ]
        self.last_scale = 1 << (doublings - convolved[-1])
        widths = [width] + [max(width >> stage, min(width, FEWEST_CHANNELS)) for stage in convolved]
        self.embedding = nn.Embedding(num_classes, latent)
        self.coarse = nn.Linear(2 * latent, width * self.grid[0] * self.grid[1], bias=False)
        self.coarse_norm = nn.BatchNorm2d(width)
        self.stages = nn.ModuleList(_Stage(before, after) for before, after in itertools.pairwise(widths))
        self.last_noise = _Noise(widths[-1])
        self.to_image = nn.Conv2d(widths[-1], channels, 3, padding=1, bias=False)
        self.image_norm = nn.BatchNorm2d(channels)
        nn.init.constant_(self.image_norm.weight, INITIAL_CONTRAST)
        self.register_buffer("low", torch.tensor(input_spec.low).reshape(1, -1, 1, 1))
        self.register_buffer("high", torch.tensor(input_spec.high).reshape(1, -1, 1, 1))

    def forward(
        self,
        z: Tensor,
        labels: Tensor,
        noise: torch.Generator | None = None,
        window: tuple[slice, slice] | None = None,
        share: Share | None = None,
    ) -> Tensor:
        """Make images [N, C, H, W] from z [N, latent] and labels int64 [N].

        Args:
            z: latents.
            labels: the class that each image is to show.
            noise: per-pixel noise is drawn from it on the CPU; none is added where it is None.
            window: rows and columns of the coarse grid to make, for a part of each image at its full scale.
            share: which images of a larger batch these are; noise is drawn for all of them. None: they are the batch.
        """
        embedded = self.embedding(labels)
        coarse = self.coarse(torch.cat([embedded * z, embedded], dim=1))
        features = self.coarse_norm(coarse.reshape(z.shape[0], -1, *self.grid))
        if window is not None:
            features = features[:, :, window[0], window[1]]
        features = features.contiguous(memory_format=torch.channels_last)
        for position, stage in enumerate(self.stages):
            if position:
                features = functional.interpolate(features, scale_factor=2.0, mode="nearest")
            features = stage(features, noise, share)
        if self.last_scale > 1:
            features = functional.interpolate(features, scale_factor=float(self.last_scale), mode="nearest")
        features = self.last_noise(features[:, :, : self.size[0], : self.size[1]], noise, share)
        raw = self.image_norm(self.to_image(features))
        middle, half = (self.high + self.low) / 2, (self.high - self.low) / 2
        return torch.clamp(middle + half * torch.tanh(raw), self.low, self.high)
