"""Small members of each family: few blocks and small images, drawn weights; the graphs are those of the large ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from bench.attention.convnext import ConvNeXt
from bench.attention.efficientformer import EfficientFormer
from bench.attention.mobilevit import MobileViT
from bench.attention.swin import Swin
from bench.attention.vit import DeiT, ViT

SIDE = 64  # of images, in pixels

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "ViT": lambda: ViT(side=SIDE, patch=16, width=48, depth=2),
    "ViT, fused attention": lambda: ViT(side=SIDE, patch=16, width=48, depth=2, fused=True),
    "DeiT": lambda: DeiT(side=SIDE, patch=16, width=48, depth=2, heads=3),
    "Swin": lambda: Swin(side=SIDE, width=24, depths=(2, 2), heads=(3, 6)),
    "MobileViT": lambda: MobileViT(channels=(8, 16, 24, 32), widths=(32, 48), depths=(1, 1)),
    "EfficientFormer": lambda: EfficientFormer(side=SIDE),
    "ConvNeXt": lambda: ConvNeXt(widths=(16, 32, 64), depths=(1, 1, 1)),
}


def drawn(name: str, *, seed: int = 0) -> nn.Module:
    """The network with drawn weights, in evaluation mode; gains and offsets of norms are drawn too.

    Weights are those of a trained network's size, so that attention is not the same everywhere.
    """
    torch.manual_seed(seed)
    network = NETWORKS[name]()
    for layer in network.modules():
        if isinstance(layer, (nn.LayerNorm, nn.BatchNorm2d)):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0.0, 0.3)
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0.0, 1.5 * layer.in_features**-0.5)
    return network.eval()
