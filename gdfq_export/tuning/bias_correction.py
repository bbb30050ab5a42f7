"""Empirical bias correction, with synthetic data for E[x] (Nagel et al., arXiv 1906.04721, section 4.2).

Quantization shifts the mean of a layer's outputs. Layer by layer, in the order of computation, each channel's bias
takes up the difference between the float network's mean and the quantized one's, so that a later layer sees inputs that
are already corrected. One pass through each network does it: the correction is applied to the output on its way.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx

from gdfq_export.simulator import Layer, Mode, Simulator

__all__ = ["correct_biases"]

_PIXELS = 2**21


def correct_biases(simulator: Simulator, images: Tensor) -> int:
    """Shift the bias of every layer that has one; returns how many were shifted.

    Args:
        simulator: calibrated.
        images: [N, C, H, W] in the network's input range; as many of them are used as fit into memory at once.
    """
    count = max(16, _PIXELS // (images.shape[2] * images.shape[3]))
    layers = {layer.node: layer for layer in simulator.layers() if layer.bias is not None}
    with torch.no_grad():
        with simulator.in_mode(Mode.FLOAT):
            float_run = _MeanRun(simulator.network, layers)
            float_run.run(images[:count])
        _CorrectingRun(simulator.network, layers, float_run.means).run(images[:count])
    return len(layers)


class _MeanRun(fx.Interpreter):
    """Runs a network and keeps each layer's mean per channel."""

    def __init__(self, network: fx.GraphModule, layers: dict[fx.Node, Layer]) -> None:
        super().__init__(network)
        self.layers = layers
        self.means: dict[fx.Node, Tensor] = {}

    def run_node(self, node: fx.Node) -> Any:
        result = super().run_node(node)
        if node in self.layers:
            self.means[node] = channel_means(result)
        return result


class _CorrectingRun(fx.Interpreter):
    """Runs a network and moves each layer's mean onto the one given, in the bias and in what passes on."""

    def __init__(self, network: fx.GraphModule, layers: dict[fx.Node, Layer], means: dict[fx.Node, Tensor]) -> None:
        super().__init__(network)
        self.layers = layers
        self.means = means

    def run_node(self, node: fx.Node) -> Any:
        result = super().run_node(node)
        layer = self.layers.get(node)
        if layer is None or layer.bias is None:
            return result
        shift = self.means[node] - channel_means(result)
        layer.bias.add_(shift)
        return result + shift.reshape(-1, *[1] * (result.dim() - 2))


def channel_means(x: Tensor) -> Tensor:
    """Mean of each channel, [C], of [N, C] or [N, C, H, W]."""
    return x.mean(dim=[axis for axis in range(x.dim()) if axis != 1])
