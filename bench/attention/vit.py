"""ViT (Dosovitskiy et al., arXiv 2010.11929) and DeiT (Touvron et al., arXiv 2012.12877)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Multi-head self-attention of tokens [N, tokens, width].

    Args:
        width: of a token.
        heads: equal parts of it.
        fused: by `scaled_dot_product_attention`, which exporters take apart; else as two products and a softmax.
    """

    def __init__(self, width: int, heads: int, *, fused: bool = False) -> None:
        super().__init__()
        self.heads, self.fused = heads, fused
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Attend, and project the heads' results together."""
        batch, tokens, width = x.shape
        parts = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        if self.fused:
            found = functional.scaled_dot_product_attention(query, key, value)
        else:
            scores = (query * (width // self.heads) ** -0.5) @ key.transpose(-2, -1)
            found = scores.softmax(dim=-1) @ value
        return self.proj(found.transpose(1, 2).reshape(batch, tokens, width))


class Encoder(nn.Module):
    """One block of a transformer, LayerNorm in front of each half."""

    def __init__(self, width: int, heads: int, *, ratio: int = 4, fused: bool = False) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), Attention(width, heads, fused=fused)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, ratio * width), nn.GELU(), nn.Linear(ratio * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Tokens [N, tokens, width]."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """Patches, a class token, positions, blocks, and a head on the class token.

    Args:
        side: of the image.
        patch: of a patch, in pixels.
        width: of a token.
        depth: blocks.
        heads: of attention.
        classes: outputs.
        fused: attention by `scaled_dot_product_attention`.
    """

    extra_tokens = 1

    def __init__(
        self,
        *,
        side: int = 32,
        patch: int = 4,
        width: int = 192,
        depth: int = 12,
        heads: int = 3,
        classes: int = 10,
        fused: bool = False,
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.tokens = nn.Parameter(torch.zeros(1, self.extra_tokens, width))
        self.positions = nn.Parameter(torch.zeros(1, (side // patch) ** 2 + self.extra_tokens, width))
        for parameter in (self.tokens, self.positions):
            nn.init.trunc_normal_(parameter, std=0.02)
        self.blocks = nn.Sequential(*[Encoder(width, heads, fused=fused) for _ in range(depth)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def features(self, image: Tensor) -> Tensor:
        """Image [N, 3, H, W] -> normalised tokens [N, tokens, width]."""
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.tokens.expand(x.shape[0], -1, -1), x], dim=1) + self.positions
        return self.norm(self.blocks(x))  # type: ignore[no-any-return]

    def forward(self, image: Tensor) -> Tensor:
        """Logits [N, classes]."""
        return self.head(self.features(image)[:, 0])  # type: ignore[no-any-return]


class DeiT(ViT):
    """ViT with a second token, which learns from a teacher; the logits are the mean of both heads."""

    extra_tokens = 2

    def __init__(self, *, width: int = 192, classes: int = 10, **settings: int) -> None:
        super().__init__(width=width, classes=classes, **settings)  # type: ignore[arg-type]
        self.head_of_teacher = nn.Linear(width, classes)

    def forward(self, image: Tensor) -> Tensor:
        """Logits [N, classes]."""
        x = self.features(image)
        return (self.head(x[:, 0]) + self.head_of_teacher(x[:, 1])) / 2  # type: ignore[no-any-return]
