"""The layers of a loaded engine as TensorRT's engine inspector lists them, in JSON.

Up to TensorRT 10 a tensor has its type within `Format/Datatype` ("... vectorized row major Int8 format"), from 11 on in
a key of its own. An engine built without details lists names alone; one whose shapes are open lists types only for the
shapes that its execution context was given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gdfq_export.errors import BackendUnavailable
from gdfq_export.runtimes.base import ExecutedGraph, ExecutedNode
from gdfq_export.runtimes.tensorrt.layer_kinds import INTEGER_KERNELS, kind_of, onnx_names

_TYPE_KEYS = ("Format/Datatype", "Datatype", "DataType", "Format")
_UNKNOWN = "N/A"


def inspected_graph(text: str, runtime: str, inputs: Sequence[str], outputs: Sequence[str]) -> ExecutedGraph:
    """The graph of an engine.

    Args:
        text: what `EngineInspector.get_engine_information` gives as JSON.
        runtime: package and version.
        inputs: names of what the engine takes.
        outputs: names of what it returns.

    Raises:
        BackendUnavailable: the engine does not say of its layers what they are, or what a layer computes with.
    """
    layers = json.loads(text).get("Layers", [])
    nodes = tuple(_node(layer) for layer in layers if isinstance(layer, Mapping))
    if len(nodes) < len(layers) or not any(node.kind.endswith("compute") for node in nodes):
        raise BackendUnavailable(
            "the engine does not tell which of its layers run on integers; gdfq-export build keeps that in the engines "
            "it builds"
        )
    return ExecutedGraph(
        runtime=runtime,
        nodes=nodes,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        constants=frozenset(),
        integer_kernels=INTEGER_KERNELS,
    )


def _node(layer: Mapping[str, Any]) -> ExecutedNode:
    op_type, name = str(layer.get("LayerType", "")), str(layer.get("Name", ""))
    kind = kind_of(op_type)
    if kind != "other":
        known = [*_types(layer)]
        if not known:
            raise BackendUnavailable(f"the engine does not tell whether its layer {name} runs on integers")
        kind = kind_of(op_type, *known)
    names = onnx_names(str(layer.get("Metadata", "")))
    inputs, outputs = (_tensors(layer, key) for key in ("Inputs", "Outputs"))
    return ExecutedNode(
        name=names[0] if names else name,
        op_type=op_type,
        kind=kind,
        inputs=tuple(str(tensor.get("Name", "")) for tensor in inputs),
        outputs=tuple(str(tensor.get("Name", "")) for tensor in outputs),
    )


def _types(layer: Mapping[str, Any]) -> Iterator[str]:
    """Of the tensor that the layer reads first, and of its weights, where they are told."""
    for tensor in _tensors(layer, "Inputs")[:1]:
        said = " ".join(str(tensor[key]) for key in _TYPE_KEYS if key in tensor)
        if said and _UNKNOWN not in said:
            yield said
    weights = layer.get("Weights")
    if isinstance(weights, Mapping) and weights.get("Type"):
        yield str(weights["Type"])


def _tensors(layer: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = layer.get(key, [])
    return [tensor for tensor in found if isinstance(tensor, Mapping)] if isinstance(found, list) else []
