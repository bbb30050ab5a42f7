"""plan + tuned parameters -> ONNX with Q/DQ."""

from __future__ import annotations

from gdfq_export.qdq.writer.with_open_sizes import with_open_sizes
from gdfq_export.qdq.writer.writer import write_onnx
from gdfq_export.qdq.writer.written_graph import dequantized_name, scale_name
