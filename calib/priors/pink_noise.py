"""Pink noise: Gaussian noise whose amplitude falls with the frequency, as the amplitudes of photographs do.

Field, "Relations between the statistics of natural images and the response properties of cortical cells", JOSA A 1987:
amplitude is proportional to 1/f. Dead leaves share that spectrum and add edges; noise without any edge beside them
makes a set of images more diverse, which a network that is fitted to them gains from as much as from twice the steps of
refinement.
"""

from __future__ import annotations

import torch
from torch import Tensor

from calib.input_spec import InputSpec
from calib.samplers import StepReport

__all__ = ["PinkNoiseSampler"]

BRIGHTNESS, COLOUR = 0.85, 0.5  # standard deviations of what channels share and of what each has of its own


class PinkNoiseSampler:
    """Draw pink noise with labels that mean nothing; mean and spread are the InputSpec's `centre` and `spread`."""

    source = "pink noise"

    def __init__(self, input_spec: InputSpec, num_classes: int, seed: int = 0) -> None:
        self._input_spec = input_spec
        self._num_classes = num_classes
        self._random = torch.Generator().manual_seed(seed)

    def draw(self, count: int, batch: int, on_step: StepReport | None = None) -> tuple[Tensor, Tensor]:
        """Draw images float32 [count, C, H, W] and labels int64 [count]; `batch` bounds the working memory."""
        del on_step
        images = torch.empty((count, *self._input_spec.shape))
        for chunk in images.split(batch):
            chunk.copy_(self._draw(len(chunk)))
        return images, torch.randint(self._num_classes, (count,), generator=self._random)

    def _draw(self, count: int) -> Tensor:
        channels, height, width = self._input_spec.shape
        vertical, horizontal = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
        frequency = torch.sqrt(vertical**2 + horizontal**2).clamp_min(1 / max(height, width))
        white = torch.randn((count, channels + 1, height, width), generator=self._random)
        noise = torch.fft.irfft2(torch.fft.rfft2(white) / frequency, s=(height, width))
        noise = noise / noise.std(dim=(2, 3), keepdim=True, correction=0).clamp_min(1e-6)
        return self._input_spec.from_noise(BRIGHTNESS * noise[:, :1] + COLOUR * noise[:, 1:])
