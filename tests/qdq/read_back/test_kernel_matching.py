"""Which kernels a file's nodes are, judged by the graph that ONNX Runtime executes; and what is refused, by name."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from gdfq_export.errors import InputError
from gdfq_export.qdq.read_back import read_back
from gdfq_export.runtimes.onnxruntime import optimized_graph
from gdfq_export.targets import Kernel
from tests.jobs.verify.quantized_classifier import CLASSES, classifier, images
from tests.qdq.read_back.drafted import require_exact
from tests.qdq.read_back.rewritten import array, nodes, put
from tests.tiny_graph import model


def executed(file: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in optimized_graph(file.SerializeToString()).graph.node}


def kernels(file: onnx.ModelProto) -> dict[str, Kernel | None]:
    return {node.op_type: node.kernel for node in read_back(file).plan.nodes}


def reading(file: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(node for node in file.graph.node if node.input[0] == name)


def before(file: onnx.ModelProto, name: str, node: onnx.NodeProto) -> None:
    """Put `node`, which reads what QuantizeLinear of `name` reads, in front of it."""
    quantize = reading(file, name)
    file.graph.node.insert(list(file.graph.node).index(quantize), node)
    quantize.input[0] = node.output[0]


def matmul_file(*, zero_points: bool = True, add: bool = False) -> onnx.ModelProto:
    """image [N, 2, 3, 3] -> Flatten -> MatMul [18, 4], its result quantized where an Add of codes follows."""
    random = np.random.default_rng(0)
    zero = ["weight_zero"] if zero_points else []

    def pair(name: str) -> list[tuple]:
        numbers = [f"{name}_scale", f"{name}_zero"]
        return [
            ("QuantizeLinear", [name, *numbers], [f"{name}_codes"]),
            ("DequantizeLinear", [f"{name}_codes", *numbers], [f"{name}_real"]),
        ]

    behind = [
        *pair("product"),
        ("DequantizeLinear", ["bias_codes", "bias_scale", "bias_zero"], ["bias"]),
        ("Add", ["product_real", "bias"], ["sum"]),
        *pair("sum"),
        ("Softmax", ["sum_real"], ["logits"], {"axis": 1}),
    ]
    return model(
        nodes=[
            ("Flatten", ["image"], ["flat"]),
            *pair("flat"),
            ("DequantizeLinear", ["weight_codes", "weight_scale", *zero], ["weight"], {"axis": 1}),
            ("MatMul", ["flat_real", "weight"], ["product"]),
            *(behind if add else []),
        ],
        inputs={"image": ("batch", 2, 3, 3)},
        outputs=["logits" if add else "product"],
        initializers={
            **{
                f"{name}_scale": np.float32(step) for name, step in {"flat": 0.02, "product": 0.05, "sum": 0.06}.items()
            },
            **{f"{name}_zero": np.uint8(128) for name in ("flat", "product", "sum")},
            "weight_codes": random.integers(-127, 128, (18, CLASSES)).astype(np.int8),
            "weight_scale": random.uniform(0.001, 0.002, CLASSES).astype(np.float32),
            "weight_zero": np.zeros(CLASSES, np.int8),
            "bias_codes": random.integers(0, 256, CLASSES).astype(np.uint8),
            "bias_scale": np.float32(0.004),
            "bias_zero": np.uint8(120),
        },
    )


@pytest.mark.parametrize("add", [False, True], ids=["float", "codes"])
def test_a_matrix_product_is_exact(add: bool) -> None:
    file = matmul_file(add=add)
    assert ("QLinearMatMul" if add else "MatMulIntegerToFloat") in executed(file)
    assert kernels(file)["MatMul"] is Kernel.MATMUL
    assert kernels(file).get("Add") is (Kernel.ADD if add else None)
    require_exact(file, images(20))


@pytest.mark.parametrize(("limit", "absorbed"), [(8.0, True), (7.0, False)])
def test_a_clip_is_gone_where_it_changes_no_code(limit: float, absorbed: bool) -> None:
    file = classifier().quantized()
    limits = [put(file, "low", np.float32(0)), put(file, "high", np.float32(limit))]
    relu = nodes(file, "Relu")[0]
    relu.op_type = "Clip"
    relu.input.extend(limits)
    assert ("QLinearConv" in executed(file)) is absorbed
    if absorbed:
        assert read_back(file).plan.by_node["Conv_conv"].absorbed == "Relu_hidden"
        require_exact(file, images(20))
    else:
        with pytest.raises(InputError, match=r"Conv Conv_conv runs in float \(its output is not quantized"):
            read_back(file)


def test_a_relu_that_codes_do_not_replace_leaves_the_layer_in_float() -> None:
    file = classifier().quantized()
    put(file, "hidden_zero_point", np.uint8(3))
    assert "QLinearConv" not in executed(file)
    with pytest.raises(InputError, match="Conv Conv_conv runs in float"):
        read_back(file)


def test_a_relu_between_codes_runs_in_float_and_is_exact() -> None:
    file = matmul_file(add=True)
    before(file, "sum", helper.make_node("Relu", ["product_real"], ["beside"]))
    reading(file, "beside").input[0] = "beside"
    assert kernels(file)["Relu"] is None
    require_exact(file, images(20))


def test_a_softmax_between_codes_is_the_runtime_s_own() -> None:
    file = matmul_file(add=True)
    softmax = nodes(file, "Softmax")[0]
    softmax.output[0] = "shares"
    numbers = [put(file, "share_scale", np.float32(1 / 256)), put(file, "share_zero", np.uint8(0))]
    file.graph.node.append(helper.make_node("QuantizeLinear", ["shares", *numbers], ["share_codes"]))
    file.graph.node.append(helper.make_node("DequantizeLinear", ["share_codes", *numbers], ["logits"]))
    assert "QLinearSoftmax" in executed(file)
    assert kernels(file)["Softmax"] is Kernel.SOFTMAX
    require_exact(file, images(20))


def test_convolutions_need_no_zero_point_of_their_weights_and_matrix_products_do() -> None:
    file = classifier().quantized()
    del reading(file, "conv_q").input[2:]
    assert {"QLinearConv", "QGemm"} <= executed(file)
    require_exact(file, images(20))
    del reading(file, "fc_q").input[2:]
    assert "QGemm" not in executed(file)
    with pytest.raises(InputError, match=r"Gemm Gemm_logits runs in float \(its weights have no zero point"):
        read_back(file)


def test_uint8_weights_are_exact() -> None:
    require_exact(classifier().quantized(weights=np.uint8), images(20))


def scaled_bias(file: onnx.ModelProto) -> None:
    put(file, "bias_scale", np.float32(1.01) * array(file, "bias_scale"))


def float_bias(file: onnx.ModelProto) -> None:
    bias = reading(file, "bias_q")
    put(file, bias.output[0], np.ones(5, np.float32))
    file.graph.node.remove(bias)


def float_weights(file: onnx.ModelProto) -> None:
    weight = reading(file, "fc_q")
    put(file, weight.output[0], np.ones((CLASSES, 5), np.float32))
    file.graph.node.remove(weight)


def wrong_axis(file: onnx.ModelProto) -> None:
    weight = reading(file, "fc_q")
    put(file, "fc_scale", np.full(5, 0.01, np.float32))
    put(file, "fc_zero", np.zeros(5, np.int8))
    weight.attribute[0].i = 1


def several_zero_points(file: onnx.ModelProto) -> None:
    put(file, "fc_zero", np.arange(CLASSES).astype(np.int8))


def int8_output(file: onnx.ModelProto) -> None:
    put(file, "hidden_zero_point", np.int8(-128))


def unquantized_input(file: onnx.ModelProto) -> None:
    nodes(file, "Conv")[0].input[0] = "image"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (scaled_bias, r"Conv Conv_conv has a bias whose scale differs by 0\.01 from the product"),
        (float_bias, r"Conv Conv_conv runs in float \(its bias is not int32 codes\)"),
        (float_weights, r"Gemm Gemm_logits runs in float \(its weights are not int8 or uint8 codes\)"),
        (wrong_axis, r"Gemm Gemm_logits runs in float \(the scales of its weights lie along axis 1\)"),
        (several_zero_points, r"Gemm Gemm_logits runs in float \(its weights have several zero points\)"),
        (int8_output, r"hidden_quantized is int8 where integer kernels take uint8"),
        (unquantized_input, r"Conv Conv_conv runs in float \(its input is not quantized\)"),
    ],
)
def test_what_is_not_computed_on_integers_is_refused(change, message: str) -> None:
    file = classifier().quantized()
    change(file)
    with pytest.raises(InputError, match=message + r".*no exact simulation of it exists"):
        read_back(file)
