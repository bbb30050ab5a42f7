"""Float nodes of a graph, computed by ONNX Runtime itself, as many at once as hang together.

Softmax, HardSwish and their like differ between implementations in the last bit, and a last bit moves an integer behind
the next QuantizeLinear. So the integer simulator leaves what stays float to the runtime's own kernels. Neighbours run
in one session, since the runtime fuses them in the file too (LayerNormalization, Gelu), and since only there may they
pass sequences on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import torch
from onnx import helper, numpy_helper
from torch import Tensor

from gdfq_export.frontend.torch_import.cut import read_by, subgraphs
from gdfq_export.simulator.session import one_thread_session


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


class FloatRegion:
    """Runs some float nodes on tensors of any batch.

    Args:
        nodes: nodes of a canonical graph, in topological order.
        constants: numbers of the initializers that they read and that are not quantized, by name.
        opsets: versions of the graph's operator sets, by domain.
        wanted: names of values that are needed besides those that other nodes read.
    """

    def __init__(
        self,
        nodes: Sequence[ir.Node],
        constants: Mapping[str, Tensor],
        *,
        opsets: Mapping[str, int],
        wanted: Collection[str] = (),
    ) -> None:
        self.nodes = tuple(nodes)
        self.inputs = tuple(value for value in read_from_outside(nodes) if value.name not in constants)
        self.outputs = tuple(_read_outside(nodes, wanted))
        self._constants = [numpy_helper.from_array(each.numpy(), name) for name, each in constants.items()]
        self._opsets = dict(opsets)
        self._sessions: dict[tuple[tuple[np.dtype, tuple[int, ...]], ...], onnxruntime.InferenceSession] = {}

    def __call__(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What is read outside of the region, by name, for `self.inputs` by name."""
        arrays = {name: tensor.detach().contiguous().numpy() for name, tensor in inputs.items()}
        kinds = tuple((array.dtype, array.shape[1:]) for array in arrays.values())
        if kinds not in self._sessions:
            self._sessions[kinds] = self._session(arrays)
        results = self._sessions[kinds].run(None, arrays)
        return {str(value.name): torch.from_numpy(result) for value, result in zip(self.outputs, results, strict=True)}

    def _session(self, arrays: Mapping[str, np.ndarray]) -> onnxruntime.InferenceSession:
        inputs = [self._input(value, arrays[str(value.name)]) for value in self.inputs]
        outputs = [onnx.ValueInfoProto(name=value.name) for value in self.outputs]
        graph = helper.make_graph(
            [ir.to_proto(node) for node in self.nodes], "region", inputs, outputs, self._constants
        )
        return one_thread_session(graph, self._opsets)

    @staticmethod
    def _input(value: ir.Value, array: np.ndarray) -> onnx.ValueInfoProto:
        """The shape is known to the runtime as far as it is in the file: some fusions ask for it."""
        known = list(value.shape) if value.shape is not None else []
        static = known if len(known) == array.ndim else [None] * array.ndim
        sizes = [found if size == found else None for size, found in zip(static, array.shape, strict=True)]
        return helper.make_tensor_value_info(str(value.name), helper.np_dtype_to_tensor_dtype(array.dtype), sizes)
