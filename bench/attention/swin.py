"""Swin Transformer (Liu et al., arXiv 2103.14030): attention in windows that every second block shifts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class WindowAttention(nn.Module):
    """Attention within windows [N * windows, tokens, width], with a bias for each relative position."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.table, std=0.02)
        places = torch.stack(torch.meshgrid(*[torch.arange(window)] * 2, indexing="ij")).flatten(1)
        apart = (places[:, :, None] - places[:, None, :]) + window - 1
        self.register_buffer("index", apart[0] * (2 * window - 1) + apart[1], persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """`mask` [windows, tokens, tokens] is added to the scores of each window."""
        batch, tokens, width = x.shape
        parts = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        scores = (query * (width // self.heads) ** -0.5) @ key.transpose(-2, -1)
        bias = self.table[self.index.view(-1)].view(tokens, tokens, -1).permute(2, 0, 1)  # type: ignore[operator]
        scores = scores + bias.unsqueeze(0)
        if mask is not None:
            windows = mask.shape[0]
            scores = scores.view(-1, windows, self.heads, tokens, tokens) + mask.unsqueeze(1).unsqueeze(0)
            scores = scores.view(-1, self.heads, tokens, tokens)
        found = scores.softmax(dim=-1) @ value
        return self.proj(found.transpose(1, 2).reshape(batch, tokens, width))  # type: ignore[no-any-return]


def partition(x: Tensor, window: int) -> Tensor:
    """[N, H, W, C] -> windows [N * windows, window * window, C]."""
    batch, height, width, channels = x.shape
    x = x.view(batch, height // window, window, width // window, window, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window * window, channels)


def reverse(windows: Tensor, window: int, side: int) -> Tensor:
    """What `partition` made of [N, side, side, C]."""
    x = windows.view(-1, side // window, side // window, window, window, windows.shape[-1])
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, side, side, windows.shape[-1])


class SwinBlock(nn.Module):
    """A block on [N, side, side, C]; `shift` pixels are rolled to the other end before windows are cut."""

    def __init__(self, width: int, heads: int, *, side: int, window: int, shift: int) -> None:
        super().__init__()
        self.side, self.window, self.shift = side, window, shift
        self.norm1, self.attn = nn.LayerNorm(width), WindowAttention(width, heads, window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.register_buffer("mask", self._mask() if shift else None, persistent=False)

    def _mask(self) -> Tensor:
        """-100 between positions that only rolling has brought together."""
        parts = torch.zeros(1, self.side, self.side, 1)
        ends = (slice(0, -self.window), slice(-self.window, -self.shift), slice(-self.shift, None))
        for number, (rows, columns) in enumerate((rows, columns) for rows in ends for columns in ends):
            parts[:, rows, columns] = number
        windows = partition(parts, self.window).squeeze(-1)
        return (windows.unsqueeze(1) != windows.unsqueeze(2)).float() * -100.0

    def forward(self, x: Tensor) -> Tensor:
        """Attention and MLP, each added to what it reads."""
        y = self.norm1(x)
        if self.shift:
            y = torch.roll(y, (-self.shift, -self.shift), (1, 2))
        y = reverse(self.attn(partition(y, self.window), self.mask), self.window, self.side)
        if self.shift:
            y = torch.roll(y, (self.shift, self.shift), (1, 2))
        x = x + y
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class PatchMerging(nn.Module):
    """Four neighbours become one position of twice the width: [N, H, W, C] -> [N, H / 2, W / 2, 2 C]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(4 * width), nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Every second row and column, four times."""
        parts = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(parts, -1)))  # type: ignore[no-any-return]


class Swin(nn.Module):
    """Stages of blocks, with patches merged between them.

    Args:
        side: of the image.
        patch: of a patch, in pixels.
        width: of the first stage.
        depths: blocks of each stage.
        heads: of each stage.
        window: side of a window, in positions.
        classes: outputs.
    """

    def __init__(
        self,
        *,
        side: int = 64,
        patch: int = 4,
        width: int = 96,
        depths: Sequence[int] = (2, 2),
        heads: Sequence[int] = (3, 6),
        window: int = 4,
        classes: int = 10,
    ) -> None:
        super().__init__()
        self.patches, self.norm0 = nn.Conv2d(3, width, patch, patch), nn.LayerNorm(width)
        stages: list[nn.Module] = []
        here = side // patch
        for stage, (depth, parts) in enumerate(zip(depths, heads, strict=True)):
            if stage:
                stages.append(PatchMerging(width))
                width, here = 2 * width, here // 2
            for block in range(depth):
                shift = window // 2 if block % 2 and here > window else 0
                stages.append(SwinBlock(width, parts, side=here, window=window, shift=shift))
        self.stages = nn.Sequential(*stages)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, image: Tensor) -> Tensor:
        """Logits [N, classes]."""
        x = self.norm0(self.patches(image).permute(0, 2, 3, 1))
        return self.head(self.norm(self.stages(x)).mean((1, 2)))  # type: ignore[no-any-return]
