"""Why a QuantizeLinear or DequantizeLinear is still there after the runtime's optimisation.

One at each end of the network is the way in and the way out. Any other marks a float island: an operator without an
integer kernel, or one whose edges do not let the runtime fuse it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from gdfq_export.runtimes.base import ExecutedGraph, ExecutedNode
from gdfq_export.targets.operator_traits import KEEPS_ALL_ELEMENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """The node, what reads its output (`OpType name`, or `graph output name`), and why it is there."""

    name: str
    consumers: tuple[str, ...]
    reason: str


def leftovers(graph: ExecutedGraph) -> tuple[tuple[Leftover, ...], tuple[Leftover, ...]]:
    """The QuantizeLinear and the DequantizeLinear nodes of an executed graph, each in execution order."""
    edges = _Edges(graph)

    def named(kind: str) -> tuple[Leftover, ...]:
        explain = edges.why_quantize if kind == "quantize" else edges.why_dequantize
        return tuple(
            Leftover(name=node.name, consumers=edges.readers(node), reason=explain(node))
            for node in graph.nodes
            if node.kind == kind
        )

    return named("quantize"), named("dequantize")


class _Edges:
    """Who makes and who reads each tensor."""

    def __init__(self, graph: ExecutedGraph) -> None:
        self._graph = graph
        self._producer = {output: node for node in graph.nodes for output in node.outputs if output}
        self._consumers: dict[str, list[ExecutedNode]] = defaultdict(list)
        for node in graph.nodes:
            for name in dict.fromkeys(node.inputs):
                self._consumers[name].append(node)

    def readers(self, node: ExecutedNode) -> tuple[str, ...]:
        nodes = [_title(consumer) for output in node.outputs for consumer in self._consumers[output]]
        return (*nodes, *(f"graph output {output}" for output in node.outputs if output in self._graph.outputs))

    def why_dequantize(self, node: ExecutedNode) -> str:
        output = node.outputs[0]
        if node.inputs[0] in self._graph.constants:
            return f"dequantizes the constant {node.inputs[0]} for {self._joined(node)}, which runs as float"
        reasons = [f"feeds the float output {output}"] if output in self._graph.outputs else []
        reasons += [self._why_float(consumer) for consumer in self._consumers[output]]
        return "; ".join(reasons) or "feeds nothing"

    def why_quantize(self, node: ExecutedNode) -> str:
        source = node.inputs[0]
        if source in self._graph.inputs:
            return f"quantizes the network input {source}"
        maker = self._producer.get(source)
        if maker is None:
            return f"quantizes the float constant {source} at run time"
        if maker.kind == "dequantize":
            return f"changes the scale of {maker.inputs[0]}"
        if maker.kind in ("integer compute", "layout"):
            return f"quantizes the float result of {_title(maker)}"
        return f"quantizes the result of {_title(maker)}, which runs as float"

    def _why_float(self, node: ExecutedNode) -> str:
        what = f"feeds {_title(node)}"
        if node.kind == "quantize":
            return f"{what}, a change of scale"
        if reached := self._only_moves_to_output(node):
            return f"{what} on the way to the float output {reached}"
        if node.op_type not in self._graph.integer_kernels:
            return f"{what}, which {self._graph.runtime} cannot turn into an integer operator"
        return f"{what}, which {self._why_unfused(node)}"

    def _only_moves_to_output(self, node: ExecutedNode) -> str | None:
        """The graph output that a reshape behind the last integer tensor leads to, if it leads nowhere else."""
        seen: set[str] = set()
        while node.op_type in KEEPS_ALL_ELEMENTS and len(node.outputs) == 1 and node.name not in seen:
            seen.add(node.name)
            output = node.outputs[0]
            if output in self._graph.outputs:
                return output
            if len(self._consumers[output]) != 1:
                return None
            node = self._consumers[output][0]
        return None

    def _why_unfused(self, node: ExecutedNode) -> str:
        for name in node.inputs:
            constant = name in self._graph.constants
            maker = self._producer.get(name)
            if constant and node.op_type in _CONSTANTS_QUANTIZED:
                return f"runs as float because its constant {name} is not quantized"
            if name and not constant and (maker is None or maker.kind != "dequantize"):
                return f"runs as float because its input {name} is not quantized"
        for name in node.outputs:
            read_as_float = any(reader.kind != "quantize" for reader in self._consumers[name])
            if node.op_type not in _FLOAT_RESULT and (name in self._graph.outputs or read_as_float):
                return f"runs as float because its output {name} is not quantized"
        runtime = self._graph.runtime
        return f"runs as float although its edges are quantized: {runtime} does not fuse these types or zero points"

    def _joined(self, node: ExecutedNode) -> str:
        return " and ".join(self.readers(node)) or "nobody"


_CONSTANTS_QUANTIZED = frozenset({"Conv", "Gemm", "MatMul", "Add", "Mul", "Concat", "Where"}) | {
    "FusedConv",
    "FusedGemm",
    "FusedMatMul",
}
_FLOAT_RESULT = frozenset({"Gemm", "MatMul", "FusedGemm", "FusedMatMul"})
"""Their integer kernels may return float."""


def _title(node: ExecutedNode) -> str:
    """Operator and name; what the runtime takes apart has no name, so its output stands for it."""
    return f"{node.op_type} {node.name or node.outputs[0]}"
