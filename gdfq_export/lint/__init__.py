"""What an ONNX file says of itself: quantized tensors, layers, bytes, and which rules of a runtime it breaks."""

from __future__ import annotations

from gdfq_export.lint.check import check
from gdfq_export.lint.inspect import InspectedFile, inspect_model
from gdfq_export.lint.model_facts import Inspection, LayerFacts, ValueFacts, bytes_on_disk, inspect_file
from gdfq_export.lint.tensor_facts import TensorFacts, quantized_tensors
