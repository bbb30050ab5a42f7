"""A paired run of a quantized network and its float counterpart.

Both have one graph. Each node is computed in the float network first, so that the float value is known when the
quantized one is tuned. A value is dropped after its last reader.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, fx

from calib.parallel.processes import Share
from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.tuning.matched_statistics import matching


class PairedRun:
    """Runs `network` and `reference` node by node on images [N, C, H, W].

    Args:
        reference: the float network.
        network: the quantized one.
        images: [N, C, H, W] in the network's input range.
        statistics: of channels, by the names of values; what the float network computes is matched with them
            (`matched_statistics.py`) before the next layer reads it, and what the quantized one computes is scaled and
            shifted alike.
        share: which of all images these are; statistics are of all. None: these are all.

    Attributes:
        found: what the quantized network has computed, by the name of its nodes.
        wanted: what the float network has computed, by the same names.
    """

    def __init__(
        self,
        reference: fx.GraphModule,
        network: fx.GraphModule,
        images: Tensor,
        statistics: Mapping[str, ChannelStatistics] = MappingProxyType({}),
        share: Share | None = None,
    ) -> None:
        self._runs = [fx.Interpreter(reference), fx.Interpreter(network)]
        for run in self._runs:
            run.args_iter = iter((images,))
        self._nodes = list(zip(reference.graph.nodes, network.graph.nodes, strict=True))
        assert all(one.name == other.name for one, other in self._nodes), "the graphs differ"
        self._statistics = statistics
        self._share = share
        self.wanted: dict[str, Any] = {}
        self.found: dict[str, Any] = {}

    def arguments(self, node: fx.Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What a node of the quantized network is called with."""
        return self._runs[1].fetch_args_kwargs_from_env(node)

    def run_node(self, node: fx.Node) -> Any:
        """Compute a node of the quantized network as it is."""
        return self._runs[1].run_node(node)

    def run(self, compute: Callable[[fx.Node], Any]) -> None:
        """Go through the graph; `compute` gives the value of each node of the quantized network."""
        last = _last_readers(self._nodes[0][0].graph)
        with torch.no_grad():
            for reference, node in self._nodes:
                self.wanted[node.name] = self._runs[0].env[reference] = self._runs[0].run_node(reference)
                self.found[node.name] = self._runs[1].env[node] = compute(node)
                self._match(reference, node)
                for read, other in zip(node.all_input_nodes, reference.all_input_nodes, strict=True):
                    if last[read.name] == node.name and read in self._runs[1].env:
                        del self._runs[0].env[other], self._runs[1].env[read]
                        del self.wanted[read.name], self.found[read.name]

    def _match(self, reference: fx.Node, node: fx.Node) -> None:
        """Give the float value the statistics that are known of it, and move the quantized one alike."""
        match = matching(reference, self.wanted[node.name], self._statistics, self._share)
        if match is not None:
            self.wanted[node.name] = self._runs[0].env[reference] = match(self.wanted[node.name])
            self.found[node.name] = self._runs[1].env[node] = match(self.found[node.name])


def peak_numel(network: fx.GraphModule, image: Tensor) -> int:
    """The most elements that tensors of a network have at any one time, for one image [1, C, H, W]."""
    last = _last_readers(network.graph)
    run = fx.Interpreter(network)
    run.args_iter = iter((image,))
    sizes: dict[str, int] = {}
    most = 0
    with torch.no_grad():
        for node in network.graph.nodes:
            value = run.env[node] = run.run_node(node)
            if isinstance(value, Tensor) and node.op != "get_attr":
                sizes[node.name] = value.numel()
            most = max(most, sum(sizes.values()))
            for read in node.all_input_nodes:
                if last[read.name] == node.name and read in run.env:
                    del run.env[read]
                    sizes.pop(read.name, None)
    return most


def grow_with_batch(network: fx.GraphModule, images: Tensor, names: Collection[str]) -> bool:
    """Whether the values of these nodes have twice as many rows for two images [2, C, H, W] as for one."""
    one, two = (_rows(network, images[:count]) for count in (1, 2))
    return all(two.get(name) == 2 * one.get(name, 0) for name in names)


@torch.no_grad()
def _rows(network: fx.GraphModule, images: Tensor) -> dict[str, int]:
    """Lengths of the first axis of all values, by the names of their nodes."""
    run = fx.Interpreter(network, garbage_collect_values=False)
    run.run(images)
    return {node.name: len(value) for node, value in run.env.items() if isinstance(value, Tensor) and value.dim()}


def _last_readers(graph: fx.Graph) -> dict[str, str]:
    """The last node that reads a node, by their names."""
    last: dict[str, str] = {}
    for node in reversed(graph.nodes):
        for read in node.all_input_nodes:
            last.setdefault(read.name, node.name)
    return last
