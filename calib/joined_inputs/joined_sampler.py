"""Draw for networks of several inputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from calib.samplers import Sampler, StepReport


class JoinedSampler:
    """Draw each input from a sampler of its own; labels are those of the first.

    Args:
        samplers: one for each input, in the order of the network's inputs.
    """

    def __init__(self, samplers: Sequence[Sampler]) -> None:
        self._samplers = samplers
        self.source = " and ".join(dict.fromkeys(sampler.source for sampler in samplers))

    def draw(self, count: int, batch: int, on_step: StepReport | None = None) -> tuple[Tensor, Tensor]:
        """Draw batches float32 [count, F] and labels int64 [count]."""
        drawn = [sampler.draw(count, batch, on_step) for sampler in self._samplers]
        return torch.cat([part.flatten(1) for part, _ in drawn], dim=1), drawn[0][1]
