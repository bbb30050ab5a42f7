"""All rules that a file has to keep for a target: those of every runtime, then those of the target's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx

from gdfq_export.lint.common_rules import common_findings
from gdfq_export.lint.onnxruntime_rules import onnxruntime_findings
from gdfq_export.lint.openvino.rules import openvino_findings
from gdfq_export.lint.qnn_rules import qnn_findings
from gdfq_export.lint.tensorrt_rules import tensorrt_findings
from gdfq_export.qdq.metadata import own_metadata
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.support.finding import Finding
from gdfq_export.targets import Target

_BY_RUNTIME: Mapping[str, Callable[[QdqModel, Target], list[Finding]]] = {
    "onnxruntime": onnxruntime_findings,
    "openvino": lambda model, target: openvino_findings(
        model, own=own_metadata(model.proto).get("target") == target.name
    ),
    "qnn": lambda model, target: qnn_findings(model),
    "tensorrt": lambda model, target: tensorrt_findings(model),
}


def check(file: onnx.ModelProto | QdqModel, target: Target) -> list[Finding]:
    """What is wrong with a file for a target, found in the file alone; empty for a good file and for a float one.

    Args:
        file: with its weights loaded.
        target: whose runtimes (`Target.held_to`, or its own) the file is held to.

    Raises:
        InputError: the graph is not one that ONNX allows.
    """
    model = QdqModel.of(file)
    findings = common_findings(model)
    for runtime in target.held_to or (target.backend,):
        findings.extend(_BY_RUNTIME[runtime](model, target))
    return list(dict.fromkeys(findings))
