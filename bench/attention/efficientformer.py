"""EfficientFormer (Li et al., arXiv 2206.01191): pooling as a mixer, attention with a bias in the last stage."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PoolBlock(nn.Module):
    """The mean of 3 x 3 neighbours less the pixel itself, then an MLP of 1 x 1 convolutions; layer scales on both."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.mlp = nn.Sequential(
            nn.Conv2d(width, 4 * width, 1),
            nn.BatchNorm2d(4 * width),
            nn.GELU(),
            nn.Conv2d(4 * width, width, 1),
            nn.BatchNorm2d(width),
        )
        self.scale1, self.scale2 = (nn.Parameter(torch.full((width, 1, 1), 0.5)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Image features [N, C, H, W]."""
        x = x + self.scale1 * (self.pool(x) - x)
        return x + self.scale2 * self.mlp(x)  # type: ignore[no-any-return]


class BiasedAttention(nn.Module):
    """Attention of tokens [N, tokens, width] with keys narrower than values and a bias for each distance."""

    def __init__(self, width: int, heads: int, side: int, *, key: int = 16) -> None:
        super().__init__()
        self.heads, self.key = heads, key
        self.value = 4 * key
        self.qkv = nn.Linear(width, heads * (2 * key + self.value))
        self.proj = nn.Linear(heads * self.value, width)
        places = torch.stack(torch.meshgrid(*[torch.arange(side)] * 2, indexing="ij")).flatten(1)
        apart = (places[:, :, None] - places[:, None, :]).abs()
        self.register_buffer("index", apart[0] * side + apart[1], persistent=False)
        self.biases = nn.Parameter(torch.randn(heads, side * side) * 0.1)

    def forward(self, x: Tensor) -> Tensor:
        """Attend, and project the heads' results together."""
        batch, tokens, _ = x.shape
        parts = self.qkv(x).reshape(batch, tokens, self.heads, -1).permute(0, 2, 1, 3)
        query, key, value = parts.split([self.key, self.key, self.value], dim=-1)
        scores = (query @ key.transpose(-2, -1)) * self.key**-0.5 + self.biases[:, self.index]
        found = (scores.softmax(dim=-1) @ value).transpose(1, 2).reshape(batch, tokens, -1)
        return self.proj(found)  # type: ignore[no-any-return]


class TokenBlock(nn.Module):
    """A block of a transformer with layer scales."""

    def __init__(self, width: int, heads: int, side: int) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), BiasedAttention(width, heads, side)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.scale1, self.scale2 = (nn.Parameter(torch.full((width,), 0.5)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Tokens [N, tokens, width]."""
        x = x + self.scale1 * self.attn(self.norm1(x))
        return x + self.scale2 * self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class EfficientFormer(nn.Module):
    """Pool blocks at falling resolutions, and attention at the last.

    Args:
        side: of the image.
        widths: channels of each stage.
        depth: pool blocks of each stage, and blocks with attention at the end.
        classes: outputs.
    """

    def __init__(
        self, *, side: int = 64, widths: Sequence[int] = (24, 48, 96), depth: int = 1, classes: int = 10
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for width in (widths[0] // 2, *widths):
            layers += [nn.Conv2d(before, width, 3, 2, 1), nn.BatchNorm2d(width)]
            layers += [nn.ReLU()] if before == 3 else [PoolBlock(width) for _ in range(depth)]
            before = width
        last = side // 2 ** (len(widths) + 1)
        self.features = nn.Sequential(*layers)
        self.blocks = nn.Sequential(*[TokenBlock(before, 4, last) for _ in range(depth)])
        self.norm = nn.LayerNorm(before)
        self.head, self.head_of_teacher = nn.Linear(before, classes), nn.Linear(before, classes)

    def forward(self, image: Tensor) -> Tensor:
        """Logits [N, classes], the mean of two heads."""
        x = self.norm(self.blocks(self.features(image).flatten(2).transpose(1, 2))).mean(1)
        return (self.head(x) + self.head_of_teacher(x)) / 2  # type: ignore[no-any-return]
