"""Layer by layer, in the order of computation: round the weights, then correct the bias.

Both look at the inputs a layer really gets from the quantized layers before it, so one pass through the network does
all of it, each layer being put right before its output goes on.

* Rounding: see `rounding.py`.
* Empirical bias correction (Nagel et al., "Data-Free Quantization", arXiv 1906.04721, section 4.2, with synthetic data
  for E[x]): quantization shifts the mean of a channel; its bias takes up the difference to the float network's mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

from gdfq_export.simulator import Layer, Mode, Simulator
from gdfq_export.tuning.rounding import input_moments, round_weights

__all__ = ["tune_layers"]

_PIXELS = 2**21
_LARGEST_ROUNDED = 512 * 9  # inputs to one output; their second moments take the square of it


def tune_layers(
    simulator: Simulator,
    images: Tensor,
    *,
    rounding: bool,
    bias_correction: bool,
    seed: int,
    on_layer: Callable[[int, int], None] | None = None,
) -> None:
    """Round the weights and shift the biases of every layer, in place.

    Args:
        simulator: calibrated.
        images: [N, C, H, W] in the network's input range; as many of them are used as fit into memory at once.
        rounding: compensate rounding errors; the weights end up on their grids. Layers with more than 4,608 inputs to
            an output are rounded to the nearest as they are.
        bias_correction: move each channel's mean onto the float network's.
        seed: of the choice of patches.
        on_layer: called with the layers done and their number.
    """
    count = max(16, _PIXELS // (images.shape[2] * images.shape[3]))
    layers = {layer.node: layer for layer in simulator.layers()}
    with torch.no_grad():
        with simulator.in_mode(Mode.FLOAT):
            float_run = _MeanRun(simulator.network, layers)
            float_run.run(images[:count])
        run = _TuningRun(simulator, layers, float_run.means, rounding, bias_correction, seed, on_layer)
        run.run(images[:count])


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


class _TuningRun(fx.Interpreter):
    """Runs a network and puts each layer right before its output goes on."""

    def __init__(
        self,
        simulator: Simulator,
        layers: dict[fx.Node, Layer],
        means: dict[fx.Node, Tensor],
        rounding: bool,
        bias_correction: bool,
        seed: int,
        on_layer: Callable[[int, int], None] | None,
    ) -> None:
        super().__init__(simulator.network)
        self.simulator = simulator
        self.layers = layers
        self.means = means
        self.rounding = rounding
        self.bias_correction = bias_correction
        self.random = torch.Generator().manual_seed(seed)
        self.on_layer = on_layer
        self.done = 0

    def run_node(self, node: fx.Node) -> Any:
        layer = self.layers.get(node)
        if layer is None:
            return super().run_node(node)
        result = self._run_rounded(node, layer) if self.rounding else super().run_node(node)
        if self.bias_correction and layer.bias is not None:
            shift = self.means[node] - channel_means(result)
            layer.bias.add_(shift)
            result = result + shift.reshape(-1, *[1] * (result.dim() - 2))
        self.done += 1
        if self.on_layer is not None:
            self.on_layer(self.done, len(self.layers))
        return result

    def _run_rounded(self, node: fx.Node, layer: Layer) -> Any:
        arguments, attributes = self.fetch_args_kwargs_from_env(node)
        quantizer = self.simulator.quantizers[layer.weight_point.key]
        if layer.weight_point.axis == 0 and layer.weight[0].numel() <= _LARGEST_ROUNDED:
            moments = input_moments(arguments[0], layer.weight, dict(attributes), self.random)
            layer.weight.copy_(round_weights(layer.weight, moments, quantizer))
        function: Callable[..., Any] = node.target  # type: ignore[assignment]
        return function(arguments[0], quantizer(layer.weight), *arguments[2:], **attributes)


def channel_means(x: Tensor) -> Tensor:
    """Mean of each channel, [C], of [N, C] or [N, C, H, W]."""
    return x.mean(dim=[axis for axis in range(x.dim()) if axis != 1])
