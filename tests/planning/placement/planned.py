"""Plans of graphs small enough to say by hand where Q/DQ go."""

from __future__ import annotations

import numpy as np

from gdfq_export.planning.placement import build_plan
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.recipe import Bits
from gdfq_export.targets import find_target
from tests import tiny_graph

RANDOM = np.random.default_rng(0)
Nodes = list[tiny_graph.Node]


def weights(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def planned(
    nodes: Nodes,
    *,
    output: str,
    logits: str | None = None,
    bits: Bits | None = None,
    target: str = "ort-cpu",
    **arrays: np.ndarray,
) -> QuantPlan:
    """The plan of a graph x [batch, 4, 6, 6] -> output."""
    graph = tiny_graph.graph(nodes=nodes, inputs={"x": ("batch", 4, 6, 6)}, outputs=[output], initializers=arrays)
    return build_plan(graph, find_target(target), bits or Bits(), compared=[logits or output], input_range=(-1.0, 3.0))


def conv(source: str, weight: str, output: str, *bias: str) -> tiny_graph.Node:
    return ("Conv", [source, weight, *bias], [output], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]})


def head(source: str, weight: str = "g") -> Nodes:
    """Pooling, Flatten and a Gemm that writes the logits `y`."""
    return [
        ("GlobalAveragePool", [source], ["p"]),
        ("Flatten", ["p"], ["f"]),
        ("Gemm", ["f", weight], ["y"], {"transB": 1}),
    ]
