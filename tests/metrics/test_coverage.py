from __future__ import annotations

import numpy as np
import onnx

from gdfq_export.metrics.coverage import measure_coverage
from gdfq_export.runtimes.base import ExecutedGraph
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from tests import tiny_graph
from tests.jobs.verify.quantized_classifier import classifier


def executed(model) -> ExecutedGraph:
    return OnnxRuntime().load(model.SerializeToString(), 1).describe()


def test_a_good_file_is_integer_from_end_to_end() -> None:
    coverage = measure_coverage(executed(classifier().quantized()))
    assert (coverage.integer_compute, coverage.float_compute, coverage.ratio) == (2, (), 1.0)
    assert coverage.operator_counts["QLinearConv"] == coverage.operator_counts["QGemm"] == 1
    assert coverage.remaining_dequantize == ()
    assert [left.reason for left in coverage.remaining_quantize] == ["quantizes the network input image"]
    assert coverage.layout_changes == coverage.operator_counts.get("Transpose", 0)


def test_a_float_gemm_is_named_with_the_pair_it_leaves() -> None:
    coverage = measure_coverage(executed(classifier().quantized(integer_gemm=False)))
    assert [(node.name, node.op_type) for node in coverage.float_compute] == [("Gemm_logits", "Gemm")]
    assert coverage.ratio == 0.5
    (left,) = coverage.remaining_dequantize
    assert left.consumers == ("Gemm Gemm_logits",)
    assert left.reason == "feeds Gemm Gemm_logits, which runs as float because its constant fc_weight is not quantized"


def test_a_float_network_has_no_integer_compute() -> None:
    coverage = measure_coverage(executed(classifier().float_network()))
    assert (coverage.integer_compute, coverage.ratio, len(coverage.float_compute)) == (0, 0.0, 2)
    assert coverage.remaining_quantize == coverage.remaining_dequantize == ()


def test_a_scale_that_does_not_fit_the_relu_leaves_a_named_float_convolution() -> None:
    """With a zero point above 0 the ReLU cannot vanish into the rounding, and Conv and Relu run in float."""
    model = classifier().quantized()
    for tensor in model.graph.initializer:
        if tensor.name in ("hidden_zero_point", "flat_zero_point"):
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.uint8(7), tensor.name))
    coverage = measure_coverage(executed(model))
    assert [node.name for node in coverage.float_compute] == ["Conv_conv"]
    reasons = {left.name: left.reason for left in coverage.remaining_dequantize}
    assert reasons["DequantizeLinear_conv_weight"].startswith("dequantizes the constant conv_q for FusedConv Conv_conv")
    assert "feeds FusedConv Conv_conv, which runs as float although" in reasons["DequantizeLinear_image_dequantized"]


def pair(tensor: str, result: str) -> list:
    return [
        ("QuantizeLinear", [tensor, "scale", "zero"], [f"{result}_q"]),
        ("DequantizeLinear", [f"{result}_q", "scale", "zero"], [result]),
    ]


def test_an_operator_without_integer_kernel_is_given_as_the_reason() -> None:
    model = tiny_graph.model(
        nodes=[*pair("x", "a"), ("HardSwish", ["a"], ["h"]), *pair("h", "b"), ("Sigmoid", ["b"], ["y"])],
        inputs={"x": ("batch", 1, 2, 2)},
        outputs=["y"],
        initializers={"scale": np.float32(0.02), "zero": np.uint8(100)},
    )
    coverage = measure_coverage(executed(model))
    reasons = [left.reason for left in coverage.remaining_dequantize]
    # ONNX Runtime takes HardSwish apart into HardSigmoid and Mul
    assert reasons[0].startswith("feeds HardSigmoid ")
    assert (
        "which ONNX Runtime cannot turn into an integer operator; feeds Mul h, which runs as float because"
        in reasons[0]
    )
    assert reasons[1] == "feeds Sigmoid Sigmoid_y, which runs as float because its output y is not quantized"
    assert any("which runs as float" in left.reason for left in coverage.remaining_quantize)


def test_an_add_with_one_float_branch_names_the_branch() -> None:
    model = tiny_graph.model(
        nodes=[*pair("x", "a"), ("Sqrt", ["x"], ["root"]), ("Add", ["a", "root"], ["s"]), *pair("s", "y")],
        inputs={"x": ("batch", 1, 2, 2)},
        outputs=["y"],
        initializers={"scale": np.float32(0.02), "zero": np.uint8(100)},
    )
    coverage = measure_coverage(executed(model))
    assert [left.reason for left in coverage.remaining_dequantize] == [
        "feeds Add Add_s, which runs as float because its input root is not quantized",
        "feeds the float output y",
    ]
    assert coverage.ratio == 1.0
