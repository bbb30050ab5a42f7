from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from gdfq_export.qdq.reader.activations import activation_codes, quantized_activations, sources_of
from gdfq_export.qdq.reader.model import QdqModel
from tests import tiny_graph
from tests.jobs.verify.quantized_classifier import classifier


def quantized(*, scale: np.ndarray, zero: np.ndarray | None, clip: tuple[int, int] | None = None) -> onnx.ModelProto:
    """Relu between two pairs; the second has the given numbers."""
    names = ["scale"] if zero is None else ["scale", "zero"]
    dtype = np.uint8 if zero is None else zero.dtype
    limits = {} if clip is None else {"low": np.asarray(clip[0], dtype), "high": np.asarray(clip[1], dtype)}
    codes = "codes" if clip is None else "clipped"
    return tiny_graph.model(
        nodes=[
            ("Relu", ["x"], ["hidden"]),
            ("QuantizeLinear", ["hidden", *names], ["codes"]),
            *([] if clip is None else [("Clip", ["codes", "low", "high"], ["clipped"])]),
            ("DequantizeLinear", [codes, *names], ["real"]),
            ("Flatten", ["real"], ["y"]),
        ],
        inputs={"x": ("batch", 2, 2, 2)},
        outputs=["y"],
        initializers={"scale": scale, **({} if zero is None else {"zero": zero}), **limits},
    )


def test_each_activation_of_a_file_once_with_its_numbers() -> None:
    found = quantized_activations(QdqModel(classifier().quantized()))
    assert [(point.tensor, point.node, point.codes) for point in found] == [
        ("image", "", "image_quantized"),
        ("hidden", "Relu_hidden", "hidden_quantized"),
        ("flat", "Flatten_flat", "flat_quantized"),
    ]
    image, hidden = found[:2]
    assert image.reads_input and not hidden.reads_input
    assert (image.params.zero_point, image.params.bounds) == (128, pytest.approx((-128 / 40, 127 / 40)))
    assert (hidden.params.zero_point, hidden.count, hidden.params.step) == (0, 256, pytest.approx(0.031))
    assert hidden.params.dequantize(np.array([0, 10])) == pytest.approx([0, 0.31])


@pytest.mark.parametrize(
    ("zero", "clip", "bounds", "count"),
    [
        (np.uint8(0), None, (0, 127.5), 256),
        (np.int8(0), None, (-64, 63.5), 256),
        (None, None, (0, 127.5), 256),
        (np.uint8(3), (0, 15), (-1.5, 6), 16),
        (np.int8(-8), (-8, 7), (0, 7.5), 16),
    ],
    ids=["uint8", "int8", "no-zero-point", "uint4-in-uint8", "int4-in-int8"],
)
def test_codes_and_what_they_reach(
    zero: np.ndarray | None, clip: tuple[int, int] | None, bounds: tuple[float, float], count: int
) -> None:
    (point,) = quantized_activations(QdqModel(quantized(scale=np.float32(0.5), zero=zero, clip=clip)))
    assert (point.tensor, point.op_type) == ("hidden", "Relu")
    assert (point.params.bounds, point.count) == (bounds, count)


def test_scales_by_channel_and_wide_codes_are_left_out() -> None:
    vector = quantized(scale=np.full(2, 0.5, np.float32), zero=np.zeros(2, np.uint8))
    assert quantized_activations(QdqModel(vector)) == ()
    assert quantized_activations(QdqModel(quantized(scale=np.float32(0.5), zero=np.int32(0)))) == ()


def clipped(kind: str) -> onnx.ModelProto:
    limits = ["low", "high"] if kind == "Clip" else []
    return tiny_graph.model(
        nodes=[
            ("Neg", ["x"], ["hidden"]),
            (kind, ["hidden", *limits], ["limited"]),
            ("QuantizeLinear", ["limited", "scale", "zero"], ["codes"]),
            ("DequantizeLinear", ["codes", "scale", "zero"], ["real"]),
            ("Flatten", ["real"], ["y"]),
        ],
        inputs={"x": ("batch", 2, 2, 2)},
        outputs=["y"],
        initializers={
            "scale": np.float32(0.5), "zero": np.int8(0), "low": np.float32(-3.5), "high": np.float32(3.5)
        },
    )  # fmt: skip


def test_a_clip_that_the_float_network_does_not_have_limits_the_codes() -> None:
    (point,) = quantized_activations(QdqModel(clipped("Clip")), {"hidden"})
    assert (point.tensor, point.node, point.params.code_range) == ("hidden", "Neg_hidden", (-7, 7))
    (point,) = quantized_activations(QdqModel(clipped("Relu")), {"hidden"})
    assert (point.tensor, point.params.code_range) == ("hidden", (0, 127))
    (point,) = quantized_activations(QdqModel(clipped("Clip")), {"hidden", "limited"})  # a ReLU6 of the user's own
    assert (point.tensor, point.params.code_range) == ("limited", (-128, 127))


def test_sources_are_the_nearest_quantized_tensors() -> None:
    model = QdqModel(classifier().quantized())
    points = quantized_activations(model)
    assert sources_of(model, points) == {"image": (), "hidden": ("image",), "flat": ("hidden",), "logits": ("flat",)}
    assert sources_of(model, points[:1]) == {"image": (), "logits": ("image",)}


def test_weights_quantized_in_the_graph_are_not_activations_and_equal_quantizers_are_one() -> None:
    file = classifier().quantized()
    weight, image = (next(n for n in file.graph.node if n.input[0] == name) for name in ("conv_q", "image"))
    floats = numpy_helper.from_array(np.ones((5, 2, 3, 3), np.float32), "floats")
    file.graph.initializer.append(floats)
    file.graph.node.insert(0, helper.make_node("QuantizeLinear", ["floats", *weight.input[1:]], ["codes"], axis=0))
    weight.input[0] = "codes"
    again = [
        helper.make_node("QuantizeLinear", list(image.input), ["again"]),
        helper.make_node("DequantizeLinear", ["again", *image.input[1:]], ["again_dequantized"]),
    ]
    file.graph.node.extend(again)
    assert activation_codes(QdqModel(file)) == ("image_quantized", "hidden_quantized", "flat_quantized")


def test_weights_are_not_activations() -> None:
    model = QdqModel(classifier().quantized())
    assert activation_codes(model) == (
        "image_quantized",
        "hidden_quantized",
        "flat_quantized",
    )
