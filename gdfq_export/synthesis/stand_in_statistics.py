"""Statistics for a network without BatchNorm: mean and deviation of each layer's output on images from priors.

A network that was exported with BatchNorm folded computes the same and remembers nothing of its training data. What its
layers answer to dead leaves and 1/f noise (`calib.priors`) stands in for that: in a copy of the network an identity
BatchNorm with these statistics follows every layer, so that all that works on BatchNorm (the loss of generator and
refinement, equalization, bias absorption and correction) works on such a network too.

The last layers, behind which no other layer comes, have none: in networks that keep BatchNorm they have none either,
and outputs are what images are to differ in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor, fx, nn

from calib.priors.starting_images import starting_images
from calib.set_statistics import merge_moments
from calib.statistics import BATCH_NORMS
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.support.progress import Progress

LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm"})
_MOST_IMAGES, _FEWEST_IMAGES = 256, 16
_ELEMENTS = 2**22  # of all images' channels, together
_BATCH = 16
_SMALLEST_VARIANCE = 1e-3  # of the median of a layer's channels


def with_stand_ins(
    model: FloatModel, progress: Progress, *, images: Tensor | None = None, seed: int = 0, device: str = "cpu"
) -> FloatModel:
    """The network with statistics of its layers, if fewer than half of them have BatchNorm's.

    Args:
        model: the float network; not modified, and returned itself where there is nothing to add.
        progress: where the measurement reports itself.
        images: `[N, C, ...]` in the network's input range to measure on; None draws them from priors.
        seed: of the images that are drawn.
        device: where to measure.

    Returns:
        A model whose `statistics` and whose `teacher` have what was measured beside what BatchNorm left.
    """
    names = _without_statistics(model)
    if not names or not isinstance(model.teacher, fx.GraphModule):
        return model
    count = min(_MOST_IMAGES, max(_FEWEST_IMAGES, _ELEMENTS // int(np.prod(model.input_spec.extent[1:]))))
    with progress.phase("measure statistics") as phase:
        if images is None:
            start = starting_images(model.input_spec, model.task.aim.conditions, seed, pages=True)
            images, _ = start.draw(count, count)
        recorder = _Recorder(model.teacher.to(device), names)
        for batch in images[:count].split(_BATCH):
            recorder.add(batch.to(device))
            phase(recorder.seen, min(count, len(images)), {})
    statistics = {name: found.statistics() for name, found in recorder.found.items()}
    teacher = _with_identities(model.teacher, recorder.found)
    return dataclasses.replace(
        model,
        statistics={**model.statistics, **statistics},
        make_teacher=lambda: teacher,
        stand_ins=True,
    )


def _without_statistics(model: FloatModel) -> frozenset[str]:
    """Outputs of the layers before the last ones, if BatchNorm has statistics for fewer than half of them."""
    graph = model.folded.graph
    names = {str(node.outputs[0].name) for node in _before_the_last(graph) if _has_channels(node.outputs[0])}
    return frozenset(names - model.statistics.keys() if 2 * len(names & model.statistics.keys()) < len(names) else ())


def _has_channels(value: ir.Value) -> bool:
    """Whether the second axis holds channels, and not the images of a batch that was transposed."""
    return value.shape is not None and len(value.shape) > 1 and isinstance(value.shape[1], int)


def _before_the_last(graph: ir.Graph) -> list[ir.Node]:
    """Layers whose outputs another layer reads, however many other nodes are between."""
    read_by_layer: set[ir.Value] = set()
    found = []
    for node in reversed(graph):
        reaches = any(value in read_by_layer for value in node.outputs)
        if reaches and node.op_type in LAYERS:
            found.append(node)
        if reaches or node.op_type in LAYERS:
            read_by_layer.update(value for value in node.inputs if value is not None)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Mean and variance [C], float64, of a value of `rank` axes."""

    mean: Tensor
    variance: Tensor
    rank: int

    def statistics(self) -> ChannelStatistics:
        mean, std = (values.numpy().astype(np.float32) for values in (self.mean, self.variance.sqrt()))
        return ChannelStatistics(mean=mean, std=std)

    def identity(self) -> nn.Module:
        """A BatchNorm that has these statistics and changes nothing; constant channels count with a little variance."""
        norm = BATCH_NORMS[self.rank](len(self.mean))
        variance = self.variance.clamp_min(_SMALLEST_VARIANCE * float(self.variance.median())).float()
        norm.running_mean, norm.running_var = self.mean.float(), variance
        norm.weight, norm.bias = nn.Parameter((variance + norm.eps).sqrt()), nn.Parameter(self.mean.float())
        return norm.eval().requires_grad_(False)


class _Recorder(fx.Interpreter):
    """Runs a network and merges the moments of some of its values over all images."""

    def __init__(self, network: fx.GraphModule, names: frozenset[str]) -> None:
        super().__init__(network)
        self.names = names
        self.found: dict[str, _Found] = {}
        self.seen = 0
        self.share = 1.0

    @torch.no_grad()
    def add(self, images: Tensor) -> None:
        """Run the network on more images [N, C, ...]."""
        self.share = len(images) / (self.seen + len(images))
        self.run(images)
        self.seen += len(images)

    def run_node(self, n: fx.Node) -> Any:
        """Compute a node; merge the moments of its value if they are asked for."""
        value = super().run_node(n)
        name = n.meta.get("value")
        if name in self.names and isinstance(value, Tensor) and value.dim() in BATCH_NORMS:
            variance, mean = torch.var_mean(value.movedim(1, 0).flatten(1).double(), dim=1, correction=0)
            mean, variance = mean.cpu(), variance.cpu()
            if name in self.found:
                old = self.found[name]
                mean, variance = merge_moments((old.mean, old.variance), (mean, variance), self.share)
            self.found[name] = _Found(mean=mean, variance=variance, rank=value.dim())
        return value


def _with_identities(teacher: fx.GraphModule, found: Mapping[str, _Found]) -> fx.GraphModule:
    """A copy that shares the parameters, with an identity BatchNorm behind every value that was found."""
    graph = fx.Graph()
    graph.output(graph.graph_copy(teacher.graph, {}))
    copied = fx.GraphModule(teacher, graph)
    for node in list(graph.nodes):
        name = node.meta.get("value")
        if name in found:
            layer = f"stand_in_{node.name}"
            copied.add_submodule(layer, found[name].identity())
            with graph.inserting_after(node):
                norm = graph.call_module(layer, (node,))
            node.replace_all_uses_with(norm, delete_user_cb=lambda user, norm=norm: user is not norm)
    copied.recompile()
    copied.meta.update(teacher.meta)
    return copied.eval()
