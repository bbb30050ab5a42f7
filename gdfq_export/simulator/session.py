"""Small graphs handed to ONNX Runtime as the file is when parity is checked: one thread, default optimisation."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
import onnxruntime
from onnx import helper

_IR_VERSION = 10


def one_thread_session(graph: onnx.GraphProto, opsets: int | Mapping[str, int]) -> onnxruntime.InferenceSession:
    """A session for `graph`; `opsets` is the version of ONNX's operators, or those of all domains by name."""
    versions = {"": opsets} if isinstance(opsets, int) else opsets
    imports = [helper.make_opsetid(domain, version) for domain, version in versions.items()]
    model = helper.make_model(graph, opset_imports=imports, ir_version=_IR_VERSION)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4  # what it would print holds names of nodes as they are
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
