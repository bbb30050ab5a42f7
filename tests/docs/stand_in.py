"""The network that stands in for a reader's own: the trained demo, for colour images of 32 x 32 pixels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from gdfq_export.frontend.demo import held_out_digits, load_demo

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIDECAR = {"input": [3, 32, 32], "preprocess": {"scale": 255, "mean": [*MEAN], "std": [*STD]}}
_TIMES = 4


class StandIn(nn.Module):
    """Its first convolution takes normalisation and enlargement back, so that it answers as the demo does."""

    in_size, in_channels = (32, 32), 3

    def __init__(self) -> None:
        super().__init__()
        self.grey = nn.Conv2d(3, 1, _TIMES, _TIMES)
        self.demo, _, _ = load_demo()
        share = torch.tensor(STD).reshape(1, 3, 1, 1) / (3 * _TIMES**2)
        with torch.no_grad():
            self.grey.weight.copy_(share.expand(1, 3, _TIMES, _TIMES))
            self.grey.bias.fill_(float(np.mean(MEAN)))
        self.eval()

    def forward(self, image: Tensor) -> Tensor:
        """[N, 3, 32, 32], normalised -> logits [N, 10]."""
        return self.demo(self.grey(image))


def labelled_digits() -> tuple[np.ndarray, np.ndarray]:
    """The held-out digits as uint8 [899, 32, 32, 3], and their labels."""
    images, labels = held_out_digits()
    return images.repeat(_TIMES, axis=1).repeat(_TIMES, axis=2).repeat(3, axis=3), labels
