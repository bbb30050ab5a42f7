"""Pink noise: Gaussian noise whose amplitude falls with the frequency, as the amplitudes of photographs do.

Field, "Relations between the statistics of natural images and the response properties of cortical cells", JOSA A 1987:
amplitude is proportional to 1/f, here in any number of dimensions. Dead leaves share that spectrum and add edges; noise
without any edge beside them makes a set of images more diverse, which a network that is fitted to them gains from as
much as from twice the steps of refinement.
"""

from __future__ import annotations

import torch
from torch import Tensor

from calib.samplers import NoiseSampler

BRIGHTNESS, COLOUR = 0.85, 0.5  # standard deviations of what channels share and of what each has of its own


class PinkNoiseSampler(NoiseSampler):
    """Draw pink noise with labels that mean nothing; mean and spread are the InputSpec's `centre` and `spread`."""

    source = "pink noise"

    def _draw(self, count: int) -> Tensor:
        channels, *sizes = self._input_spec.shape
        axes = [-len(sizes) + index for index in range(len(sizes))]
        steps = [*map(torch.fft.fftfreq, sizes[:-1]), torch.fft.rfftfreq(sizes[-1])]
        squares = [step.reshape(-1, *[1] * (-axis - 1)) ** 2 for step, axis in zip(steps, axes, strict=True)]
        frequency = torch.sqrt(sum(squares, start=torch.zeros(()))).clamp_min(1 / max(sizes))
        white = torch.randn((count, channels + 1, *sizes), generator=self._random)
        noise = torch.fft.irfftn(torch.fft.rfftn(white, dim=axes) / frequency, s=sizes, dim=axes)
        noise = noise / noise.std(dim=axes, keepdim=True, correction=0).clamp_min(1e-6)
        return self._input_spec.from_noise(BRIGHTNESS * noise[:, :1] + COLOUR * noise[:, 1:])
