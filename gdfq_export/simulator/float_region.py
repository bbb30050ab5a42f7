"""Float nodes of a graph, computed by ONNX Runtime itself, as many at once as hang together.

Softmax, HardSwish and their like differ between implementations in the last bit, and a last bit moves an integer behind
the next QuantizeLinear. So the integer simulator leaves what stays float to the runtime's own kernels. Neighbours run
in one session, since the runtime fuses them in the file too (LayerNormalization, Gelu), and since only there may they
pass sequences on. For the same reason codes go in and come out through Q/DQ: between codes, ONNX Runtime computes a
Softmax in integers, and quantizes the weights of a ConvTranspose by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from gdfq_export.frontend.torch_import.cut import read_by, subgraphs
from gdfq_export.planning.placement.graph_nodes import is_product
from gdfq_export.planning.placement.separated import SEPARATOR_IN_FRONT, separator_behind
from gdfq_export.simulator.encoding import Encoding
from gdfq_export.simulator.session import one_thread_session
from gdfq_export.support.quant_params import QuantParams

_CODES = "->codes"


def read_from_outside(nodes: Sequence[ir.Node]) -> Iterator[ir.Value]:
    """What `nodes` read and do not compute, constants too."""
    own = {output for node in nodes for output in node.outputs}
    yield from dict.fromkeys(value for node in nodes for value in read_by(node) if value not in own)


def _read_outside(nodes: Sequence[ir.Node], wanted: Collection[str]) -> Iterator[ir.Value]:
    """What `nodes` compute for others."""
    inside = {*nodes, *(inner for node in nodes for graph in subgraphs(node) for inner in graph.all_nodes())}
    for node in nodes:
        for value in node.outputs:
            needed = value.is_graph_output() or value.name in wanted
            if value.name and (needed or any(user not in inside for user, _ in value.uses())):
                yield value


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionConstants:
    """Constants that float nodes read.

    Attributes:
        numbers: float values by name.
        codes: encodings and axes of those that the file holds as codes, by name.
        biases: the same of biases, by the node that reads them.
    """

    numbers: Mapping[str, Tensor] = field(default_factory=dict)
    codes: Mapping[str, tuple[Encoding, int | None]] = field(default_factory=dict)
    biases: Mapping[str, tuple[Encoding, int | None]] = field(default_factory=dict)


class FloatRegion:
    """Runs some float nodes on tensors of any batch.

    Args:
        nodes: nodes of a canonical graph, in topological order.
        constants: the initializers that they read.
        opsets: versions of the graph's operator sets, by domain.
        wanted: names of values that are needed besides those that other nodes read.
        grids: of values that go in or come out as codes, by name.
        separated: names of nodes that the file separates from the pairs around them.
    """

    def __init__(
        self,
        nodes: Sequence[ir.Node],
        constants: RegionConstants,
        *,
        opsets: Mapping[str, int],
        wanted: Collection[str] = (),
        grids: Mapping[str, QuantParams] = MappingProxyType({}),
        separated: Collection[str] = (),
    ) -> None:
        self.nodes = tuple(nodes)
        stored = constants.numbers.keys() | constants.codes.keys()
        self.inputs = tuple(value for value in read_from_outside(nodes) if value.name not in stored)
        self.outputs = tuple(_read_outside(nodes, wanted))
        self.grids = grids
        self._separated = frozenset(separated)
        self._constants = [numpy_helper.from_array(each.numpy(), name) for name, each in constants.numbers.items()]
        self._coded = constants
        self._opsets = dict(opsets)
        self._sessions: dict[tuple[tuple[np.dtype, tuple[int, ...]], ...], onnxruntime.InferenceSession] = {}

    def __call__(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What is read outside of the region, by name, for `self.inputs` by name; codes in the type of their grids."""
        arrays = {name: tensor.detach().contiguous().numpy() for name, tensor in inputs.items()}
        kinds = tuple((array.dtype, array.shape[1:]) for array in arrays.values())
        if kinds not in self._sessions:
            self._sessions[kinds] = self._session(arrays)
        fed = {f"{name}{_CODES}" if name in self.grids else name: array for name, array in arrays.items()}
        results = self._sessions[kinds].run(None, fed)
        return {str(value.name): torch.from_numpy(result) for value, result in zip(self.outputs, results, strict=True)}

    def _session(self, arrays: Mapping[str, np.ndarray]) -> onnxruntime.InferenceSession:
        inputs, outputs, numbers = [], [], list(self._constants)
        nodes = [proto for node in self.nodes for proto in self._with_what_is_in_front(node, numbers)]
        read = {value.name for value in read_from_outside(self.nodes)}
        for name, coded in self._coded.codes.items():
            if name in read:
                nodes.insert(0, _stored(name, *coded, numbers))
        for value in self.inputs:
            name = str(value.name)
            info = self._input(value, arrays[name])
            if name in self.grids:
                nodes.insert(0, _quantizer("DequantizeLinear", (f"{name}{_CODES}", name), self.grids[name], numbers))
                info.name += _CODES
            inputs.append(info)
        for value in self.outputs:
            name = str(value.name)
            if name in self.grids:
                source = name
                producer = value.producer()
                if producer is not None and producer.name in self._separated:
                    op_type, attributes = separator_behind(producer)
                    source = f"{name}->float"
                    nodes.append(helper.make_node(op_type, [name], [source], **attributes))
                nodes.append(_quantizer("QuantizeLinear", (source, f"{name}{_CODES}"), self.grids[name], numbers))
            outputs.append(onnx.ValueInfoProto(name=f"{name}{_CODES}" if name in self.grids else name))
        graph = helper.make_graph(nodes, "region", inputs, outputs, numbers)
        return one_thread_session(graph, self._opsets)

    def _with_what_is_in_front(self, node: ir.Node, numbers: list[TensorProto]) -> list[onnx.NodeProto]:
        """The node behind its separator, or behind the DequantizeLinear of its bias."""
        proto, name = ir.to_proto(node), node.name or ""
        if name in self._coded.biases:
            proto.input[2] = f"{name}->bias"
            return [_stored(proto.input[2], *self._coded.biases[name], numbers), proto]
        if name not in self._separated or not is_product(node):
            return [proto]
        op_type, attributes = SEPARATOR_IN_FRONT
        factor = f"{name}->factor"
        separator = helper.make_node(op_type, [proto.input[0]], [factor], **attributes)
        proto.input[0] = factor
        return [separator, proto]

    @staticmethod
    def _input(value: ir.Value, array: np.ndarray) -> onnx.ValueInfoProto:
        """The shape is known to the runtime as far as it is in the file, open sizes by name: fusions ask for it."""
        known = list(value.shape) if value.shape is not None else []
        static = known if len(known) == array.ndim else [None] * array.ndim
        sizes = [
            size.value if isinstance(size, ir.SymbolicDim) else found if size == found else None
            for size, found in zip(static, array.shape, strict=True)
        ]
        return helper.make_tensor_value_info(str(value.name), helper.np_dtype_to_tensor_dtype(array.dtype), sizes)


def _quantizer(op_type: str, ends: tuple[str, str], grid: QuantParams, numbers: list[TensorProto]) -> onnx.NodeProto:
    """A QuantizeLinear or DequantizeLinear; its scale and zero point are added to `numbers`."""
    read, written = ends
    scale, zero = f"{read}->{written} scale", f"{read}->{written} zero"
    numbers.append(numpy_helper.from_array(np.asarray(grid.scale, np.float32), scale))
    numbers.append(numpy_helper.from_array(np.asarray(grid.zero_point, grid.dtype), zero))
    return helper.make_node(op_type, [read, scale, zero], [written])


def _stored(name: str, encoding: Encoding, axis: int | None, numbers: list[TensorProto]) -> onnx.NodeProto:
    """The DequantizeLinear that makes `name` of stored codes; these and their numbers are added to `numbers`."""
    assert encoding.codes is not None
    codes, scale = np.asarray(encoding.codes), np.asarray(encoding.scale, np.float32)
    arrays = {f"{name}->codes": codes, f"{name}->scale": scale}
    if codes.dtype != np.int32:
        arrays[f"{name}->zero"] = np.full(scale.shape, encoding.zero_point, codes.dtype)
    numbers.extend(numpy_helper.from_array(array, key) for key, array in arrays.items())
    attributes: dict[str, Any] = {} if axis is None else {"axis": axis}
    return helper.make_node("DequantizeLinear", [*arrays], [name], **attributes)
