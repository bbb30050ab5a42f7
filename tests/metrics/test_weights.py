from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from gdfq_export.metrics.histogram import code_histogram
from gdfq_export.metrics.weights import weight_codes
from tests import tiny_graph
from tests.jobs.verify.quantized_classifier import classifier


def test_every_layer_with_its_codes() -> None:
    network = classifier()
    conv, gemm = weight_codes(network.quantized())
    assert (conv.node, conv.op_type, conv.tensor) == ("Conv_conv", "Conv", "conv_q")
    assert (conv.elements, conv.scale_count) == (90, 5)
    assert (conv.scale_min, conv.scale_max) == (network.kernel_scale.min(), network.kernel_scale.max())
    assert (conv.code_min, conv.code_max) == (network.kernel.min(), network.kernel.max())
    ends = (network.kernel == network.kernel.min()) | (network.kernel == network.kernel.max())
    assert conv.at_range_limits_fraction == ends.mean()
    assert (gemm.node, gemm.elements, gemm.scale_count, gemm.zero_channels) == ("Gemm_logits", 20, 4, 0)


def test_a_layer_with_float_weights_has_none() -> None:
    assert [layer.op_type for layer in weight_codes(classifier().quantized(integer_gemm=False))] == ["Conv"]


def matmul(weights: np.ndarray, scale: np.ndarray, zero: np.ndarray | None, axis: int, form: str) -> onnx.ModelProto:
    """[4, 3] weights of a MatMul as int8, or behind QuantizeLinear, or as INT4 behind a Cast."""
    names = ["scale"] if zero is None else ["scale", "zero"]
    before = {
        "int8": [],
        "rounded in the graph": [("QuantizeLinear", ["w", *names], ["codes"], {"axis": axis})],
        "int4": [("Cast", ["w"], ["codes"], {"to": TensorProto.INT8})],
    }[form]
    model = tiny_graph.model(
        nodes=[
            *before,
            ("DequantizeLinear", ["codes" if before else "w", *names], ["real"], {"axis": axis}),
            ("MatMul", ["x", "real"], ["y"]),
        ],
        inputs={"x": ("batch", 4)},
        outputs=["y"],
        initializers={"w": weights, "scale": scale, **({} if zero is None else {"zero": zero})},
        infer_shapes=False,
    )
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3]))
    if form == "int4":
        packed = helper.make_tensor("w", TensorProto.INT4, weights.shape, weights.ravel())
        model.graph.initializer[0].CopyFrom(packed)
    return model


CODES = np.array([[1, 5, -7], [1, 0, 3], [1, -2, 3], [1, 6, 0]], np.int8)


@pytest.mark.parametrize("form", ["int8", "rounded in the graph", "int4"])
def test_weights_are_found_however_they_are_stored(form: str) -> None:
    scale, zero = np.array([0.5, 0.25, 1.0], np.float32), np.array([1, 0, 0], np.int8)
    stored = CODES if form != "rounded in the graph" else ((CODES - zero) * scale).astype(np.float32)
    (found,) = weight_codes(matmul(stored, scale, zero, 1, form))
    assert (found.node, found.scale_count, found.scale_max) == ("MatMul_y", 3, 1.0)
    assert (found.code_min, found.code_max) == (-7, 6)
    assert found.zero_channels == 1  # the first says its own zero point throughout
    assert found.histogram.counts == tuple(int((code == CODES).sum()) for code in range(-7, 7))


def test_scales_by_block() -> None:
    model = matmul(CODES, np.full((2, 3), 0.5, np.float32), np.array([[1, 0, 0], [1, 0, 0]], np.int8), 0, "int8")
    model.graph.node[0].attribute.append(helper.make_attribute("block_size", 2))
    (found,) = weight_codes(model)
    assert (found.scale_count, found.elements) == (6, 12)


def test_a_layer_behind_a_transpose() -> None:
    model = tiny_graph.model(
        nodes=[
            ("DequantizeLinear", ["w", "scale"], ["real"]),
            ("Transpose", ["real"], ["turned"], {"perm": [1, 0]}),
            ("MatMul", ["x", "turned"], ["y"]),
        ],
        inputs={"x": ("batch", 3)},
        outputs=["y"],
        initializers={"w": CODES, "scale": np.float32(0.5)},
    )
    (found,) = weight_codes(model)
    assert (found.scale_count, found.zero_channels, found.tensor) == (1, 0, "w")


def test_constants_may_be_nodes() -> None:
    model = matmul(CODES, np.float32(0.5), None, 1, "int8")
    weights = model.graph.initializer[0]
    model.graph.node.insert(0, helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(CODES)))
    model.graph.initializer.remove(weights)
    assert [layer.elements for layer in weight_codes(model)] == [12]


@pytest.mark.parametrize("span", [1, 2, 63, 64, 65, 200, 256])
def test_bins_hold_equally_many_codes(span: int) -> None:
    histogram = code_histogram(np.arange(span, dtype=np.int32) - 128, 64)
    assert len(histogram.counts) <= 64 and sum(histogram.counts) == span
    width = (histogram.high - histogram.low) / len(histogram.counts)
    assert width == int(width)
    assert set(histogram.counts[:-1]) <= {width} and histogram.low == -128.5
