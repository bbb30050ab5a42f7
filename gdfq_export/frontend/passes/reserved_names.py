"""Names that the quantized file gives to tensors of its own are taken from inner values of the user's."""

from __future__ import annotations

import re
from collections.abc import Iterator

import onnx_ir as ir

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.constants.constant import unused_name

_ADDED = re.compile(
    r"_(?:q|dq|u?int[24]|scale|unclipped|clipped|low|high|offset|offset_dq|sum|sum_scale|padding|float|read|product"
    r"|negative|shifted|kept)$"
)
_SHARED = re.compile(r"u?int\d+_-?\d")  # zero points and limits of codes: int8_0, uint8_0_16


class ReservedNamesPass(ir.passes.InPlacePass):
    """Rename values that are called as a tensor of the quantized file will be.

    1. `<name>_q`, `<name>_dq`, `<name>_scale` and the like, where a value `<name>` exists too: it becomes
       `value_<name>_q`.
    2. What begins as a shared zero point does: `int8_0_16` becomes `value_int8_0_16`.
    3. Names of graph inputs and outputs stay: the other one of a pair is renamed.
    """

    def __init__(self, where: str) -> None:
        super().__init__()
        self._where = where

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rename in the main graph.

        Raises:
            InputError: both of a pair are inputs or outputs.
        """
        graph = model.graph
        modified = False
        while (value := next(self._colliding(graph), None)) is not None:
            ir.convenience.rename_values([value], [unused_name(graph, f"value_{value.name}")])
            modified = True
        return ir.passes.PassResult(model, modified)

    def _colliding(self, graph: ir.Graph) -> Iterator[ir.Value]:
        values = {str(value.name): value for value in _values(graph)}
        short = {name.removesuffix("_output_0"): value for name, value in values.items()}
        for name, value in values.items():
            if _SHARED.match(name) and not _is_end(value):
                yield value
            for added in (_ADDED.search(name), re.search("_offset_dq$|_sum_scale$", name)):
                prefix = None if added is None else name[: added.start()]
                base = None if prefix is None else values.get(prefix, short.get(prefix))
                if base is None or base is value:
                    continue
                inner = value if not _is_end(value) else base
                if _is_end(inner):
                    raise InputError(
                        f"{self._where} calls one end of the graph {base.name} and another {name}, a name that the "
                        "quantized file needs for a tensor of its own; export the network with another name there"
                    )
                yield inner


def _values(graph: ir.Graph) -> Iterator[ir.Value]:
    yield from graph.inputs
    yield from graph.initializers.values()
    for node in graph:
        yield from (value for value in node.outputs if value.name)


def _is_end(value: ir.Value) -> bool:
    return value.is_graph_input() or value.is_graph_output()
