"""Outputs of a layer: what is added to them, and the channels that they have."""

from __future__ import annotations

from torch import Tensor, fx

from gdfq_export.simulator import Layer


def residual_summand(node: fx.Node) -> fx.Node | None:
    """What an Add adds to the output of `node`, where nothing but that Add reads it."""
    readers = list(node.users)
    if len(readers) == 1 and "quantizes" in readers[0].meta:
        node, readers = readers[0], list(readers[0].users)
    if len(readers) != 1 or readers[0].meta.get("op_type") != "Add":
        return None
    others = [other for other in readers[0].all_input_nodes if other is not node]
    return others[0] if len(others) == 1 else None


def channel_means(x: Tensor, layer: Layer) -> Tensor:
    """Mean of each output channel of a layer, [C]."""
    return x.mean(dim=[axis for axis in range(x.dim()) if axis != layer.channel_axis % x.dim()])


def per_channel(values: Tensor, x: Tensor, layer: Layer) -> Tensor:
    """Values [C] in a shape that broadcasts over an output of the layer."""
    return values.reshape(-1, *[1] * (x.dim() - 1 - layer.channel_axis % x.dim()))
