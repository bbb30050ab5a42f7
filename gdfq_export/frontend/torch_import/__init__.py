"""ONNX graph -> torch: one table of operators, and the fx module built with it."""

from __future__ import annotations

from gdfq_export.frontend.torch_import.importer import import_graph, input_shapes
from gdfq_export.frontend.torch_import.node_reader import Op
from gdfq_export.frontend.torch_import.operators import OPERATORS, lower
