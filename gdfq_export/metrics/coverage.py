"""Integer coverage: which convolutions and matrix products the runtime executes on integers, and which in float.

Read from the runtime's optimised graph and not from the file's Q/DQ pairs: a pair that the runtime cannot fuse costs
time and saves none.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from gdfq_export.metrics.leftovers import Leftover, leftovers
from gdfq_export.runtimes.base import ExecutedGraph, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedNode:
    """A node of the optimised graph."""

    name: str
    op_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNode:
    """A node of the optimised graph with its kind and its first output."""

    name: str
    op_type: str
    kind: Kind
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Counts of the optimised graph; `ratio` is the integer fraction of compute nodes, 1.0 without any.

    `remaining_quantize` and `remaining_dequantize` were not fused; `nodes` are all nodes in execution order.
    """

    runtime: str
    operator_counts: dict[str, int]
    integer_compute: int
    float_compute: tuple[NamedNode, ...]
    ratio: float
    remaining_quantize: tuple[Leftover, ...]
    remaining_dequantize: tuple[Leftover, ...]
    layout_changes: int
    nodes: tuple[RunNode, ...] = ()


def measure_coverage(graph: ExecutedGraph) -> Coverage:
    """Integer coverage of the graph that `Session.describe` returns."""
    quantize, dequantize = leftovers(graph)
    integer = sum(node.kind == "integer compute" for node in graph.nodes)
    floating = tuple(
        NamedNode(name=node.name, op_type=node.op_type) for node in graph.nodes if node.kind == "float compute"
    )
    compute = integer + len(floating)
    return Coverage(
        runtime=graph.runtime,
        operator_counts=dict(sorted(Counter(node.op_type for node in graph.nodes).items())),
        integer_compute=integer,
        float_compute=floating,
        ratio=integer / compute if compute else 1.0,
        remaining_quantize=quantize,
        remaining_dequantize=dequantize,
        layout_changes=sum(node.kind == "layout" for node in graph.nodes),
        nodes=tuple(
            RunNode(
                name=node.name, op_type=node.op_type, kind=node.kind, output=node.outputs[0] if node.outputs else ""
            )
            for node in graph.nodes
        ),
    )
