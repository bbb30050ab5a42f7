"""Names that are the same in every run, also for constants that a converter made up."""

from __future__ import annotations

from collections.abc import Set

import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import unused_name


class StableNamesPass(ir.passes.InPlacePass):
    """Name what has no name of the user's.

    1. An initializer not among `known` (names of the file and of our passes) is called after the first value computed
       from it: `<output>_constant`. ONNX's version converter numbers its constants by a counter of the process.
    2. A node without a name is called `<op>_<first output>`.
    """

    def __init__(self, known: Set[str]) -> None:
        super().__init__()
        self._known = known

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rename in the main graph."""
        graph, modified = model.graph, False
        for node in graph:
            for value in node.inputs:
                if value is not None and value.is_initializer() and str(value.name) not in self._known:
                    wanted = f"{node.outputs[0].name}_constant"
                    if not str(value.name).startswith(wanted):
                        ir.convenience.rename_values([value], [unused_name(graph, wanted)])
                        modified = True
            if not node.name:
                node.name = f"{node.op_type}_{node.outputs[0].name}"
                modified = True
        return ir.passes.PassResult(model, modified)
