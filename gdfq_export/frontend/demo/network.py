"""The demo network: a BatchNorm ResNet of 85,000 weights for 8x8 digits, with one stride-2 stage and a 1x1 shortcut.

Its weights (`demo.safetensors`) are made by scripts/train_demo.py.
"""

from __future__ import annotations

import importlib.resources

import safetensors.torch
from torch import Tensor, nn

from calib.input_spec import InputSpec

CLASSES = 10


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.relu = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels_in, H, W] -> [N, channels_out, H / stride, W / stride]."""
        residual = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        activation: Tensor = self.relu(residual + self.shortcut(x))
        return activation


class DemoNetwork(nn.Module):
    """Stem, three residual blocks, global average pooling and a linear classifier; returns logits."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.blocks = nn.Sequential(
            ResidualBlock(width, width, stride=1),
            ResidualBlock(width, 2 * width, stride=2),
            ResidualBlock(2 * width, 2 * width, stride=1),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(2 * width, CLASSES)

    def forward(self, image: Tensor) -> Tensor:
        """[N, 1, 8, 8] in 0..1 -> logits [N, 10]."""
        logits: Tensor = self.classifier(self.pool(self.blocks(self.stem(image))).flatten(1))
        return logits


def load_demo() -> tuple[nn.Module, InputSpec, int]:
    """The trained network in evaluation mode, what it takes as an image, and its number of classes."""
    weights = (importlib.resources.files("gdfq_export.frontend.demo") / "demo.safetensors").read_bytes()
    network = DemoNetwork()
    network.load_state_dict(safetensors.torch.load(weights))
    return network.eval(), InputSpec(shape=(1, 8, 8), scale=255.0, mean=(0.0,), std=(1.0,)), CLASSES
