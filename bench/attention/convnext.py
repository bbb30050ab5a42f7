"""ConvNeXt (Liu et al., arXiv 2201.03545): depthwise 7 x 7, LayerNorm and MLP with channels last."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of [N, C, H, W]."""

    def forward(self, input: Tensor) -> Tensor:
        """Channels last and back."""
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution in [N, C, H, W], the rest in [N, H, W, C], a layer scale at the end."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise, self.norm = nn.Conv2d(width, width, 7, padding=3, groups=width), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.scale = nn.Parameter(torch.full((width,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        """Image features [N, C, H, W]."""
        y = self.depthwise(x).permute(0, 2, 3, 1)
        return x + (self.scale * self.mlp(self.norm(y))).permute(0, 3, 1, 2)  # type: ignore[no-any-return]


class ConvNeXt(nn.Module):
    """Stages of blocks, with a norm and a strided convolution between them.

    Args:
        patch: side of the stem's patches, in pixels.
        widths: channels of each stage.
        depths: blocks of each stage.
        classes: outputs.
    """

    def __init__(
        self,
        *,
        patch: int = 4,
        widths: Sequence[int] = (96, 192, 384, 768),
        depths: Sequence[int] = (1, 1, 2, 1),
        classes: int = 10,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], patch, patch), LayerNorm2d(widths[0], 1e-6)]
        before = widths[0]
        for width, depth in zip(widths, depths, strict=True):
            if width != before:
                layers += [LayerNorm2d(before, 1e-6), nn.Conv2d(before, width, 2, 2)]
            layers += [ConvNeXtBlock(width) for _ in range(depth)]
            before = width
        self.features = nn.Sequential(*layers)
        self.norm, self.head = nn.LayerNorm(before, 1e-6), nn.Linear(before, classes)

    def forward(self, image: Tensor) -> Tensor:
        """Logits [N, classes]."""
        return self.head(self.norm(self.features(image).mean((2, 3))))  # type: ignore[no-any-return]
