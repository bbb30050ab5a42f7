"""Operators that ONNX Runtime's optimiser writes (`com.microsoft`), as the operators of ONNX that they were made of.

ONNX Runtime makes them again when it loads a file, so nothing is lost; as they are, no integer kernel would be found
for a convolution, and no other runtime would read them. Numbers and names of the outputs stay. What has no such form
here, NCHWc layouts for instance, is left, and is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from gdfq_export.frontend.passes.opset import opset_of

_DOMAIN = "com.microsoft"
_CLIP_INPUTS, _LAYER_NORMALIZATION = 11, 17  # opsets that brought them
_FUSED = ("activation", "activation_params", "activation_alpha", "activation_beta", "activation_gamma")


def without_fused_operators(proto: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Return `proto` with these operators taken apart, and which there were; itself where there are none."""
    if not any(node.domain == _DOMAIN and node.op_type in _FORMS for node in proto.graph.node):
        return proto, ()
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    apart = _Apart(result)
    nodes = [other for node in proto.graph.node for other in apart.nodes_of(node)]
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    return result, tuple(dict.fromkeys(apart.taken))


class _Apart:
    def __init__(self, proto: onnx.ModelProto) -> None:
        self.graph, self.opset = proto.graph, opset_of(proto)
        self.constants = {tensor.name: tensor for tensor in proto.graph.initializer}
        self.names = {name for node in proto.graph.node for name in (node.name, *node.input, *node.output)}
        self.replaced = {node.name for node in proto.graph.node if node.domain == _DOMAIN and node.op_type in _FORMS}
        self.taken: list[str] = []

    def nodes_of(self, node: onnx.NodeProto) -> Sequence[onnx.NodeProto]:
        """What a node is made of; itself where it stays."""
        form = _FORMS.get(node.op_type) if node.domain == _DOMAIN else None
        made = None if form is None else form(self, node, _attributes(node))
        if made is None:
            return [node]
        self.taken.append(node.op_type)
        made[-1].output[0] = node.output[0]
        return made

    def node(self, source: onnx.NodeProto, op_type: str, inputs: Sequence[str], **attributes: Any) -> onnx.NodeProto:
        """A node of ONNX; the first has the name of the node that it is a part of, as long as that is one."""
        name = source.name or source.output[0]
        name = name if name in self.replaced else self._unused(f"{name}_{op_type}")
        self.replaced.discard(name)
        return helper.make_node(
            op_type, list(inputs), [self._unused(f"{source.output[0]}_{op_type}")], name, **attributes
        )

    def number(self, source: onnx.NodeProto, value: float) -> str:
        """The name of a new constant."""
        name = self._unused(f"{source.output[0]}_constant")
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def _unused(self, name: str) -> str:
        while name in self.names:
            name += "_"
        self.names.add(name)
        return name

    def activation(
        self, source: onnx.NodeProto, x: str, name: str, numbers: Sequence[float]
    ) -> Iterator[onnx.NodeProto]:
        """The activation that is fused into a node, on the value `x`."""
        if not name:
            return
        if name == "Clip" and self.opset >= _CLIP_INPUTS:
            yield self.node(source, name, [x, *(self.number(source, number) for number in numbers)])
            return
        keys = {"Clip": ("min", "max"), "LeakyRelu": ("alpha",), "HardSigmoid": ("alpha", "beta")}.get(name, ())
        yield self.node(source, name, [x], **dict(zip(keys, numbers, strict=False)))

    def conv(self, node: onnx.NodeProto, values: Mapping[str, Any]) -> list[onnx.NodeProto]:
        own = {key: value for key, value in values.items() if key not in _FUSED}
        made = [self.node(node, "Conv", node.input[:3], **own)]
        if len(node.input) > 3 and node.input[3]:
            made.append(self.node(node, "Add", [made[-1].output[0], node.input[3]]))
        name, numbers = values.get("activation", b"").decode(), values.get("activation_params", ())
        return [*made, *self.activation(node, made[-1].output[0], name, numbers)]

    def gemm(self, node: onnx.NodeProto, values: Mapping[str, Any]) -> list[onnx.NodeProto]:
        own = {key: value for key, value in values.items() if key not in _FUSED}
        made = [self.node(node, "Gemm", node.input, **own)]
        numbers = [values[key] for key in ("activation_alpha", "activation_beta") if key in values]
        return [*made, *self.activation(node, made[-1].output[0], values.get("activation", b"").decode(), numbers)]

    def matmul(self, node: onnx.NodeProto, values: Mapping[str, Any]) -> list[onnx.NodeProto] | None:
        """With the transposition of a constant; that of another value takes its rank, which is not known here."""
        if any(values.get(key, 0) for key in ("transA", "transBatchA", "transBatchB")):
            return None
        a, b = node.input
        made = []
        if values.get("transB", 0):
            if b not in self.constants:
                return None
            rank = len(self.constants[b].dims)
            perm = [*range(rank - 2), rank - 1, rank - 2]
            made.append(self.node(node, "Transpose", [b], perm=perm))
            b = made[-1].output[0]
        made.append(self.node(node, "MatMul", [a, b]))
        if (alpha := values.get("alpha", 1.0)) != 1.0:
            made.append(self.node(node, "Mul", [made[-1].output[0], self.number(node, alpha)]))
        return made

    def gelu(self, node: onnx.NodeProto, values: Mapping[str, Any]) -> list[onnx.NodeProto]:
        """X / 2 * (1 + erf(x / sqrt(2))), of the sum with a bias where there is one."""
        del values
        made, x = self._with_bias(node)
        scaled = self.node(node, "Div", [x, self.number(node, math.sqrt(2))])
        erf = self.node(node, "Erf", [scaled.output[0]])
        share = self.node(node, "Add", [erf.output[0], self.number(node, 1.0)])
        product = self.node(node, "Mul", [x, share.output[0]])
        return [*made, scaled, erf, share, product, self.node(node, "Mul", [product.output[0], self.number(node, 0.5)])]

    def quick_gelu(self, node: onnx.NodeProto, values: Mapping[str, Any]) -> list[onnx.NodeProto]:
        """X * sigmoid(alpha x)."""
        scaled = self.node(node, "Mul", [node.input[0], self.number(node, values.get("alpha", 1.702))])
        gate = self.node(node, "Sigmoid", [scaled.output[0]])
        return [scaled, gate, self.node(node, "Mul", [node.input[0], gate.output[0]])]

    def skip_layer_normalization(self, node: onnx.NodeProto, values: Mapping[str, Any]) -> list[onnx.NodeProto] | None:
        """Of a sum; the statistics that it may return besides are not written."""
        if self.opset < _LAYER_NORMALIZATION or any(node.output[1:]):
            return None
        names = list(node.input)
        x, skip, gamma, beta, bias = names + [""] * (5 - len(names))
        made = [self.node(node, "Add", [x, skip])]
        if bias:
            made.append(self.node(node, "Add", [made[-1].output[0], bias]))
        inputs = [name for name in (made[-1].output[0], gamma, beta) if name]
        return [*made, self.node(node, "LayerNormalization", inputs, axis=-1, epsilon=values.get("epsilon", 1e-12))]

    def _with_bias(self, node: onnx.NodeProto) -> tuple[list[onnx.NodeProto], str]:
        if len(node.input) < 2 or not node.input[1]:
            return [], node.input[0]
        added = self.node(node, "Add", node.input[:2])
        return [added], added.output[0]


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}


_FORMS: Mapping[str, Callable[[_Apart, onnx.NodeProto, Mapping[str, Any]], list[onnx.NodeProto] | None]] = {
    "FusedConv": _Apart.conv,
    "FusedGemm": _Apart.gemm,
    "FusedMatMul": _Apart.matmul,
    "Gelu": _Apart.gelu,
    "BiasGelu": _Apart.gelu,
    "QuickGelu": _Apart.quick_gelu,
    "SkipLayerNormalization": _Apart.skip_layer_normalization,
}
