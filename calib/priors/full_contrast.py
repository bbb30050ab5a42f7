"""Images of two colours: the darkest and the lightest pixel there is, as on a printed page.

Neither dead leaves nor pink noise have edges of full contrast, and ranges that were observed without any clip what a
page of text makes of the first layers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from calib.input_spec import InputSpec
from calib.samplers import Sampler, StepReport


class FullContrastSampler:
    """Half of another sampler's images with full contrast: light where a pixel is above the image's median, else dark.

    Of four images in a row the second and the third, so that samplers which alternate are all among them.

    Args:
        images: where the images come from.
        input_spec: shape and preprocessing of the network's input.
    """

    def __init__(self, images: Sampler, input_spec: InputSpec) -> None:
        self._images = images
        self._input_spec = input_spec
        self.source = images.source

    def draw(self, count: int, batch: int, on_step: StepReport | None = None) -> tuple[Tensor, Tensor]:
        """Draw images float32 [count, C, H, W] and labels int64 [count]."""
        images, labels = self._images.draw(count, batch, on_step)
        low, high = (self._input_spec.plane(ends) for ends in (self._input_spec.low, self._input_spec.high))
        chosen = torch.isin(torch.arange(count) % 4, torch.tensor([1, 2]))
        grey = images[chosen].mean(dim=1, keepdim=True)
        median = grey.flatten(1).median(dim=1).values.reshape(-1, *[1] * (grey.dim() - 1))
        return images.masked_scatter(_like(chosen, images), torch.where(grey > median, high, low)), labels


def _like(chosen: Tensor, images: Tensor) -> Tensor:
    return chosen.reshape(-1, *[1] * (images.dim() - 1)).expand_as(images)
