"""MobileViT (Mehta and Rastegari, arXiv 2110.02178): inverted residuals, and transformers between two convolutions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bench.attention.vit import Attention


def convolution(inputs: int, outputs: int, size: int = 3, stride: int = 1, *, groups: int = 1) -> nn.Sequential:
    """A convolution with BatchNorm and SiLU."""
    layer = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.SiLU())


class InvertedResidual(nn.Module):
    """Wider, depthwise, narrower; added to what it reads where shapes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, *, ratio: int = 4) -> None:
        super().__init__()
        self.adds = stride == 1 and inputs == outputs
        hidden = ratio * inputs
        self.layers = nn.Sequential(
            convolution(inputs, hidden, 1),
            convolution(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Image features [N, C, H, W]."""
        y = self.layers(x)
        return x + y if self.adds else y  # type: ignore[no-any-return]


class SiluEncoder(nn.Module):
    """A block of a transformer with SiLU, on tokens [N, tokens, width]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.attn, self.norm2 = nn.LayerNorm(width), Attention(width, heads), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Attention and MLP, each added to what it reads."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class MobileViTBlock(nn.Module):
    """Pixels at one place of each patch attend to each other; patches are unfolded and folded again."""

    def __init__(self, channels: int, width: int, depth: int, *, heads: int = 4, patch: int = 2) -> None:
        super().__init__()
        self.patch = patch
        self.local = nn.Sequential(convolution(channels, channels), nn.Conv2d(channels, width, 1, bias=False))
        self.encoders = nn.Sequential(*[SiluEncoder(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.project, self.fuse = convolution(width, channels, 1), convolution(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Image features [N, C, H, W]."""
        y, patch = self.local(x), self.patch
        batch, width, height, breadth = y.shape
        rows, columns = height // patch, breadth // patch
        y = y.reshape(batch * width * rows, patch, columns, patch).transpose(1, 2)
        y = y.reshape(batch, width, rows * columns, patch * patch).transpose(1, 3)
        y = y.reshape(batch * patch * patch, rows * columns, width)
        y = self.norm(self.encoders(y))
        y = y.reshape(batch, patch * patch, rows * columns, width).transpose(1, 3)
        y = y.reshape(batch * width * rows, columns, patch, patch).transpose(1, 2)
        y = y.reshape(batch, width, height, breadth)
        return self.fuse(torch.cat([x, self.project(y)], dim=1))  # type: ignore[no-any-return]


class MobileViT(nn.Module):
    """A stem, inverted residuals, and a MobileViT block at each of the last resolutions.

    Args:
        channels: of the stem and of each stage.
        widths: of the tokens of each stage that has a transformer; the last stages.
        depths: encoders of each of them.
        stem_stride: of the first convolution.
        classes: outputs.
    """

    def __init__(
        self,
        *,
        channels: Sequence[int] = (16, 32, 48, 64, 80),
        widths: Sequence[int] = (96, 120, 144),
        depths: Sequence[int] = (2, 4, 3),
        stem_stride: int = 2,
        classes: int = 10,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [convolution(3, channels[0], 3, stem_stride)]
        plain = len(channels) - 1 - len(widths)
        for stage, (before, here) in enumerate(itertools.pairwise(channels)):
            layers.append(InvertedResidual(before, here, 1 if stage == 0 else 2))
            if stage >= plain:
                layers.append(MobileViTBlock(here, widths[stage - plain], depths[stage - plain]))
        layers.append(convolution(channels[-1], 4 * channels[-1], 1))
        self.features, self.head = nn.Sequential(*layers), nn.Linear(4 * channels[-1], classes)

    def forward(self, image: Tensor) -> Tensor:
        """Logits [N, classes]."""
        return self.head(self.features(image).mean((2, 3)))  # type: ignore[no-any-return]
