"""Layer by layer, in the order of computation: choose scales, fit weights, round them, correct the bias.

Each step uses the inputs that a layer gets from the quantized layers before it, so that one pass through the network
does all of it: a layer is tuned before its output goes on.

* The target of a layer is the float layer's output. Where the output goes straight into a residual addition, the error
  of the other summand is subtracted, so that the sum comes out right.
* Activation scales: the one of least squared error against the float value, of a few factors.
* Fit: `weight_regression.py`. Rounding: `gptq.py`.
* Empirical bias correction (Nagel et al., "Data-Free Quantization", arXiv 1906.04721, section 4.2, with synthetic data
  for E[x]): quantization shifts the mean of a channel, and the channel's bias takes the shift back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, fx

from calib.checkpoints.checkpoint import Checkpoint, NoCheckpoint, State
from calib.device.transfer import send
from calib.parallel.processes import ALONE, Processes, Share
from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.planning.plan import Role
from gdfq_export.recipe import Tuning
from gdfq_export.simulator import Layer, Quantizer, Simulator
from gdfq_export.tuning.range_that_counts import range_that_counts
from gdfq_export.tuning.reconstruction.gptq import round_weights, weighted_scale
from gdfq_export.tuning.reconstruction.layer_outputs import channel_means, per_channel, residual_summand
from gdfq_export.tuning.reconstruction.paired_run import PairedRun
from gdfq_export.tuning.reconstruction.second_moments import mean_moments, observe_layer
from gdfq_export.tuning.reconstruction.shared_images import share_of_images
from gdfq_export.tuning.reconstruction.weight_regression import choose_ridge, refit_weights

_HELD_OUT = 4  # one image of so many, to choose a ridge with
_FEWEST_TO_HOLD_OUT = 8  # images
_UNSEEN_SETS = 4  # that images held out make, to know how much the error differs between images
_USUAL_RIDGE = 1.0  # of fewer images
_SCALE_NUMBERS = 2**22  # of a tensor, to choose its scale with
_SCALE_FACTORS = (0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2)
_LARGEST_ROUNDED = 512 * 9  # inputs to one output; their second moments take the square of it


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFollowing:
    """How the tuning of layers is followed.

    Attributes:
        on_layer: called with the layers done and their number.
        checkpoint: where the layers are kept, and continued from.
        processes: that share the images.
    """

    on_layer: Callable[[int, int], None] = lambda done, total: None
    checkpoint: Checkpoint = field(default_factory=NoCheckpoint)
    processes: Processes = ALONE


def tune_layers(
    simulator: Simulator,
    reference: Simulator,
    images: Tensor,
    settings: Tuning,
    *,
    seed: int,
    statistics: Mapping[str, ChannelStatistics] = MappingProxyType({}),
    fractions: Mapping[str, Tensor] = MappingProxyType({}),
    follow: LayerFollowing | None = None,
) -> None:
    """Tune scales, weights and biases of every layer, in place.

    Args:
        simulator: calibrated.
        reference: the same network in float.
        images: [N, C, H, W] in the network's input range, no more than memory holds (`images_in_memory.py`).
        settings: which steps. After `rounding` the weights are on their grids; layers with more than 4,608 inputs to an
            output are neither fitted nor rounded here, nor are weights that a layer before has been given already.
        seed: of the choice of patches.
        statistics: of channels, by the names of values, that both networks are brought to (`matched_statistics.py`).
        fractions: by the key of an activation, how many of its steps each channel is shifted by, [channels]
            (`channel_splitting.py`).
        follow: who is told of layers, and where their state is kept; None: nobody, nowhere.
    """
    follow = follow or LayerFollowing()
    share = share_of_images(simulator, reference, images, statistics, follow.processes)
    values = PairedRun(reference.network, simulator.network, share.take(images), statistics, share)
    run = _TuningRun(simulator, values, settings, seed, follow, fractions, share)
    run.values.run(run.compute)
    follow.checkpoint.finish(run.state)
    run.shift_biases()


class _TuningRun:
    """Tunes each layer before its output goes on."""

    def __init__(
        self,
        simulator: Simulator,
        values: PairedRun,
        settings: Tuning,
        seed: int,
        follow: LayerFollowing,
        fractions: Mapping[str, Tensor],
        share: Share,
    ) -> None:
        self.simulator = simulator
        self.share = share
        self.settings = settings
        self.layers = {layer.node: layer for layer in simulator.layers()}
        self.values = values
        self.random = torch.Generator().manual_seed(seed)
        self.follow = follow
        self.fractions = fractions
        self.tuned: set[str | None] = set()  # names of parameters, keys of activations
        self.done = 0
        self.shifts: dict[str, tuple[Tensor, Tensor]] = {}  # of biases: before, and what was added, by layer
        self.computed_before: list[str] = []  # names of nodes that an earlier part of the run has come past
        self.computed: list[str] = []
        if (saved := follow.checkpoint.load()) is not None:
            self._restore(saved)

    def state(self) -> State:
        """Everything that layers behind the last one depend on."""
        return {
            "simulator": self.simulator.state_dict(),
            "random": self.random.get_state(),
            "tuned": [name for name in self.tuned if name is not None],
            "done": self.done,
            "shifts": self.shifts,
            "computed": self.computed,
        }

    def _restore(self, saved: State) -> None:
        self.simulator.load_state_dict(saved["simulator"])
        self.random.set_state(saved["random"])
        self.tuned = {None, *saved["tuned"]}
        self.done, self.shifts = saved["done"], saved["shifts"]
        self.computed_before = saved["computed"]

    def compute(self, node: fx.Node) -> Any:
        self.computed.append(node.name)
        layer = self.layers.get(node)
        if layer is not None:
            return self._compute_again(node, layer) if self._seen else self._tune_layer(node, layer)
        if self.settings.activation_scales and "quantizes" in node.meta and not self._seen:
            self._choose_scale(node)
        if node.meta.get("quantizes") in self.fractions:
            (source,) = node.all_input_nodes
            found = self.values.found[source.name]
            found.add_(per_channel(self._shift(node), found, self._layer_before(node)))
        return self.values.run_node(node)

    @property
    def _seen(self) -> bool:
        """Whether an earlier part of the run has come past the node that is computed now."""
        return len(self.computed) <= len(self.computed_before)

    def _compute_again(self, node: fx.Node, layer: Layer) -> Tensor:
        """What a layer gave when it was tuned: the shift of its bias is added to the output, as it was then."""
        arguments, attributes = self.values.arguments(node)
        weight = self.simulator.quantizers[layer.weight_point.key](layer.weight)
        before, shift = self.shifts.get(layer.name, (None, None))
        rest = arguments[2:] if before is None else (before, *arguments[3:])
        function: Callable[..., Any] = node.target  # type: ignore[assignment]
        result: Tensor = function(arguments[0], weight, *rest, **attributes)
        return result if shift is None else result + per_channel(shift, result, layer)

    def _tune_layer(self, node: fx.Node, layer: Layer) -> Tensor:
        wanted = self._wanted(node)
        arguments, attributes = self.values.arguments(node)
        quantizer = self.simulator.quantizers[layer.weight_point.key]
        if self._can_round(layer):
            self._round(layer, quantizer, self._whole(arguments[0]), self._whole(wanted), attributes)
        function: Callable[..., Any] = node.target  # type: ignore[assignment]
        result: Tensor = function(arguments[0], quantizer(layer.weight), *arguments[2:], **attributes)
        if (
            self.settings.bias_correction == "empirical"
            and layer.bias is not None
            and layer.bias_tensor not in self.tuned
        ):
            shift = channel_means(self._whole(wanted), layer) - channel_means(self._whole(result), layer)
            self.shifts[layer.name] = (layer.bias.detach().clone(), shift)
            layer.bias.add_(shift)
            result = result + per_channel(shift, result, layer)
        self.tuned |= {layer.weight_point.tensor, layer.bias_tensor}
        self.done += 1
        self.follow.on_layer(self.done, len(self.layers))
        self.follow.checkpoint.step(self.state)
        return result

    def _wanted(self, node: fx.Node) -> Tensor:
        """The float layer's output, less the error of what a residual addition adds to it."""
        wanted: Tensor = self.values.wanted[node.name]
        other = residual_summand(node)
        if self.settings.refit and other is not None and other.name in self.values.found:
            wanted = wanted + (self.values.wanted[other.name] - self.values.found[other.name])
        return wanted

    def _whole(self, x: Tensor) -> Tensor:
        """The values of all images, so that what is summed over them does not depend on the number of processes."""
        return self.share.of_length(len(x)).gather(x)

    def _can_round(self, layer: Layer) -> bool:
        size = layer.weight[0].numel()
        fits = layer.weight_point.axis == 0 and size <= _LARGEST_ROUNDED
        return self.settings.rounding and fits and layer.weight_point.tensor not in self.tuned

    def _round(self, layer: Layer, quantizer: Quantizer, x: Tensor, wanted: Tensor, attributes: dict[str, Any]) -> None:
        centred = layer.bias is not None and self.settings.bias_correction == "empirical"
        if layer.bias is not None and not centred:
            wanted = wanted - per_channel(layer.bias, wanted, layer)
        observe = partial(
            observe_layer,
            weight=layer.weight,
            attributes=attributes,
            random=self.random,
            centred=centred,
            processes=self.share.processes,
        )
        ridge: float | Tensor | None = self.settings.refit_ridge
        if self.settings.refit and ridge is None and len(x) >= _FEWEST_TO_HOLD_OUT:
            held_out = len(x) // _HELD_OUT
            inputs, outputs = (
                (values[:-held_out], *values[-held_out:].tensor_split(min(_UNSEEN_SETS, held_out)))
                for values in (x, wanted)
            )
            parts = [observe(*part) for part in zip(inputs, outputs, strict=True)]
            ridge = choose_ridge(layer.weight, parts[0], parts[1:])
            moments = mean_moments(parts, [len(part) / len(x) for part in inputs])
        else:
            moments = observe(x, wanted if self.settings.refit else None)
        if self.settings.refit:
            layer.weight.copy_(refit_weights(layer.weight, moments, _USUAL_RIDGE if ridge is None else ridge))
            quantizer.set_scale(weighted_scale(layer.weight, moments, quantizer))
        layer.weight.copy_(round_weights(layer.weight, moments, quantizer))

    def _choose_scale(self, node: fx.Node) -> None:
        """Move the scale of an activation to where its codes come nearest to the float value."""
        key: str = node.meta["quantizes"]
        quantizer = self.simulator.quantizers[key]
        (source,) = node.all_input_nodes
        if quantizer.point.role is not Role.ACTIVATION or quantizer.only_clips or key in self.tuned:
            return
        self.tuned.add(key)
        found, wanted = self.values.found[source.name], self.values.wanted[source.name]
        count = max(1, _SCALE_NUMBERS // found[0].numel())
        least, most = range_that_counts(self.simulator.folded.graph, self.simulator.plan, quantizer.point)
        low, high = max(least, quantizer.point.low), min(most, quantizer.point.high)
        share, own = self.share.of_length(len(found)).part(0, count)
        found, wanted = found[own], wanted[own].clamp(low, high)
        start = quantizer.log_scale.clone()
        errors = []
        for factor in _SCALE_FACTORS:
            quantizer.log_scale.copy_(start + math.log(factor))
            errors.append((quantizer(found) - wanted).square().mean())
        logarithms = send(torch.tensor([math.log(factor) for factor in _SCALE_FACTORS]), start.device)
        best = share.mean(torch.stack(errors)).argmin(keepdim=True)
        quantizer.log_scale.copy_(start + logarithms.index_select(0, best).squeeze())

    def shift_biases(self) -> None:
        """Shift copies of channels by their fractions of a step, in the biases of the layers that write them.

        While layers are tuned, the shift is added behind the rectifier: what is below 0 in only one of both ways rounds
        to 0 in either.
        """
        for node in self.simulator.network.graph.nodes:
            if node.meta.get("quantizes") in self.fractions:
                bias = self._layer_before(node).bias
                assert bias is not None
                with torch.no_grad():
                    bias.add_(self._shift(node))

    def _shift(self, node: fx.Node) -> Tensor:
        quantizer = self.simulator.quantizers[node.meta["quantizes"]]
        return send(self.fractions[node.meta["quantizes"]], quantizer.log_scale.device) * quantizer.scale.detach()

    def _layer_before(self, node: fx.Node) -> Layer:
        (source,) = node.all_input_nodes
        return next(self.layers[found] for found in (source, *source.all_input_nodes) if found in self.layers)
