"""The layers of an engine as TensorRT-RTX lists them while it builds, which needs no GPU.

The text is a log and no interface (measured with 1.7): what is not found in it is never taken for integers.
"""

from __future__ import annotations

import re

import onnx

from gdfq_export.runtimes.base import ExecutedGraph, ExecutedNode
from gdfq_export.runtimes.tensorrt.layer_kinds import INTEGER_KERNELS, kind_of, onnx_names
from gdfq_export.targets.operator_traits import LAYERS


def logged_graph(text: str, model: onnx.ModelProto, runtime: str) -> ExecutedGraph:
    """Layers as the build log lists them; a layer of the file that no integer or float kernel names counts as float.

    Args:
        text: what TensorRT says from `Layers:` on.
        model: the file it built.
        runtime: package and version.
    """
    layers = [_layer(line) for line in text.splitlines() if line.startswith("Name: ")]
    computed = {name for layer, names in layers if layer.kind.endswith("compute") for name in names}
    lost = [node for node in model.graph.node if node.op_type in LAYERS and _logged(node) not in computed]
    missing = (
        ExecutedNode(
            name=_logged(node),
            op_type=f"{node.op_type}, not in the build log",
            kind="float compute",
            inputs=(),
            outputs=(),
        )
        for node in lost
    )
    return ExecutedGraph(
        runtime=runtime,
        nodes=(*(layer for layer, _ in layers), *missing),
        inputs=tuple(value.name for value in model.graph.input),
        outputs=tuple(value.name for value in model.graph.output),
        constants=frozenset(),
        integer_kernels=INTEGER_KERNELS,
    )


def _logged(node: onnx.NodeProto) -> str:
    """What the build log calls a node of the file."""
    return node.name or f"node_of_{node.output[0]}"


def _layer(line: str) -> tuple[ExecutedNode, tuple[str, ...]]:
    """One line: `Name: ..., LayerType: ..., Inputs: [...], Constants: [...], Outputs: [...], ..., Metadata: ...`."""
    op_type = _first(r"LayerType: ([^,]*)", line)
    names = onnx_names(line)
    inputs, outputs = (_tensors(line, section) for section in ("Inputs", "Outputs"))
    node = ExecutedNode(
        name=names[0] if names else _first(r"Name: ([^,]*)", line),
        op_type=op_type,
        kind=kind_of(op_type, inputs[0][1] if inputs else ""),
        inputs=tuple(name for name, _ in inputs),
        outputs=tuple(name for name, _ in outputs),
    )
    return node, names


def _tensors(line: str, section: str) -> list[tuple[str, str]]:
    """Names and data types of a section's tensors."""
    body = _first(rf"{section}: \[(.*?)\](?:, (?:Constants|Outputs|TacticName))", line)
    return re.findall(r"Name: ([^,]*),.*?Datatype: (\w+)", body)


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found.group(1) if found else ""
