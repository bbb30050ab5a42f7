from __future__ import annotations

import numpy as np
import onnx

from gdfq_export.runtimes.onnxruntime import OnnxRuntime, OrtSession, optimized_graph
from tests.jobs.verify.quantized_classifier import classifier, images


def load(model: onnx.ModelProto, **options) -> OrtSession:
    return OnnxRuntime().load(model.SerializeToString(), 1, **options)


def test_answers_are_the_integers_own() -> None:
    network, pictures = classifier(), images(9)
    assert np.array_equal(load(network.quantized()).run(pictures), network.integers(pictures)["logits"])


def test_the_description_is_the_optimised_graph_without_taps() -> None:
    model = classifier().quantized()
    described = load(model, taps=["hidden_quantized"]).describe()
    operators = [node.op_type for node in described.nodes]
    assert operators == [node.op_type for node in optimized_graph(model.SerializeToString()).graph.node]
    assert "QLinearConv" in operators
    assert "Conv" not in operators
    assert (described.inputs, described.outputs) == (("image",), ("logits",))
    assert "conv_q" in described.constants
