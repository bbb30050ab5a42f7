"""All rules that a file has to keep for a target: those of every runtime, then those of the target's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx

from gdfq_export.lint.common_rules import common_findings
from gdfq_export.lint.onnxruntime_rules import onnxruntime_findings
from gdfq_export.lint.openvino_rules import openvino_findings
from gdfq_export.lint.tensorrt_rules import lint
from gdfq_export.qdq.metadata import own_metadata
from gdfq_export.qdq.reader.graph import QdqGraph
from gdfq_export.support.finding import Finding
from gdfq_export.targets import Target

__all__ = ["check"]

_Rules = Callable[[onnx.ModelProto, QdqGraph, Target], list[Finding]]

_BY_RUNTIME: Mapping[str, _Rules] = {
    "onnxruntime": lambda model, graph, target: onnxruntime_findings(graph, target, _opset(model)),
    "openvino": lambda model, graph, target: openvino_findings(
        graph, own=own_metadata(model).get("target") == target.name
    ),
    "tensorrt": lambda model, graph, target: lint(model),
}


def check(model: onnx.ModelProto, target: Target) -> list[Finding]:
    """What is wrong with a file for a target, found in the file alone; empty for a good file and for a float one.

    Args:
        model: with its weights loaded.
        target: whose runtimes (`Target.held_to`, or its own) the file is held to.

    Raises:
        InputError: the graph is not one that ONNX allows.
    """
    graph = QdqGraph(model)
    findings = common_findings(graph)
    for runtime in target.held_to or (target.backend,):
        findings.extend(_BY_RUNTIME[runtime](model, graph, target))
    return list(dict.fromkeys(findings))


def _opset(model: onnx.ModelProto) -> int:
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
