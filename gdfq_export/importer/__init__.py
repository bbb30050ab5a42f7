"""ONNX graph -> torch: one table of operators, and the fx module built with it."""

from __future__ import annotations

from gdfq_export.importer.importer import import_graph
from gdfq_export.importer.node_reader import Op
from gdfq_export.importer.operators import OPERATORS, lower

__all__ = ["OPERATORS", "Op", "import_graph", "lower"]
