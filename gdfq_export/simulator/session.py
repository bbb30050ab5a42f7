"""Small graphs handed to ONNX Runtime as the file is when parity is checked: one thread, default optimisation."""

from __future__ import annotations

import onnx
import onnxruntime
from onnx import helper

_IR_VERSION = 10


def one_thread_session(graph: onnx.GraphProto, opset: int) -> onnxruntime.InferenceSession:
    """A session for `graph`."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=_IR_VERSION)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
