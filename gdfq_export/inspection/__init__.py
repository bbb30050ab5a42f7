"""What an ONNX file says of itself: quantized tensors, layers, bytes, and which rules of a runtime it breaks."""

from __future__ import annotations

from gdfq_export.inspection.file_facts import Inspection, LayerFacts, ValueFacts, bytes_on_disk, inspect_file
from gdfq_export.inspection.inspected_file import InspectedFile, inspect_model
from gdfq_export.inspection.quantized_tensors import QuantizedTensor, read_quantized_tensors
from gdfq_export.inspection.rules import check

__all__ = [
    "InspectedFile",
    "Inspection",
    "LayerFacts",
    "QuantizedTensor",
    "ValueFacts",
    "bytes_on_disk",
    "check",
    "inspect_file",
    "inspect_model",
    "read_quantized_tensors",
]
