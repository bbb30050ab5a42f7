"""What quantizes a layer's result, and what stands in between."""

from __future__ import annotations

import numpy as np
import onnx

from gdfq_export.lint.onnxruntime_fusion import QuantizedResult, result_of
from gdfq_export.qdq.reader.model import QdqModel
from tests.qdq.qdq_files import Nodes, file


def result(model: onnx.ModelProto, name: str) -> QuantizedResult:
    graph = QdqModel(model)
    (node,) = (node for node in graph.nodes if node.name == name)
    return result_of(graph, node)


def test_a_quantizer_behind_a_relu_takes_the_result() -> None:
    found = result(file(), "Conv_c")
    assert found.writer is not None and found.writer.node.name == "QuantizeLinear_r_q" and found.kept is None


def test_a_relu_that_codes_do_not_replace_is_kept() -> None:
    found = result(file(r_zero=np.asarray(10, np.uint8)), "Conv_c")
    assert found.writer is not None and found.kept is not None and found.kept.name == "Relu_r"


def test_what_reads_a_float_result_is_named() -> None:
    assert result(file(), "Gemm_y").readers == "the graph output y"
    unquantized: dict[str, Nodes] = {"e_q": [], "e_dq": [], "p": [("GlobalAveragePool", ["e"], ["p"])]}
    found = result(file(unquantized), "Conv_e")
    assert found.writer is None and found.readers == "GlobalAveragePool GlobalAveragePool_p"


def test_two_quantizers_are_one_where_they_agree() -> None:
    twice: Nodes = [
        ("QuantizeLinear", ["e", "other", "e_zero"], ["e2_q"]),
        ("DequantizeLinear", ["e2_q", "other", "e_zero"], ["e2"]),
        ("Add", ["e_dq", "e2"], ["a"]),
        ("GlobalAveragePool", ["a"], ["p"]),
    ]
    for other, agree in ((0.03, True), (0.04, False)):
        found = result(file({"p": twice}, other=np.asarray(other, np.float32)), "Conv_e")
        assert (found.writer is not None) == agree
    assert found.readers == "more than one scale"
