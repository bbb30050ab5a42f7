from __future__ import annotations

import numpy as np
import onnx
import pytest

from gdfq_export.qdq.reader.activations import activation_codes, sources_of
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
    found = activation_codes(classifier().quantized())
    assert [(point.tensor, point.node, point.codes) for point in found] == [
        ("image", "", "image_quantized"),
        ("hidden", "Relu_hidden", "hidden_quantized"),
        ("flat", "Flatten_flat", "flat_quantized"),
    ]
    image, hidden = found[:2]
    assert image.reads_image and not hidden.reads_image
    assert (image.zero_point, image.bounds) == (128, pytest.approx((-128 / 40, 127 / 40)))
    assert (hidden.zero_point, hidden.count, hidden.step) == (0, 256, pytest.approx(0.031))
    assert hidden.dequantize(np.array([0, 10])) == pytest.approx([0, 0.31])


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
    (point,) = activation_codes(quantized(scale=np.float32(0.5), zero=zero, clip=clip))
    assert (point.tensor, point.op_type) == ("hidden", "Relu")
    assert (point.bounds, point.count) == (bounds, count)


def test_scales_by_channel_and_wide_codes_are_left_out() -> None:
    vector = quantized(scale=np.full(2, 0.5, np.float32), zero=np.zeros(2, np.uint8))
    assert activation_codes(vector) == ()
    assert activation_codes(quantized(scale=np.float32(0.5), zero=np.uint16(0))) == ()


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
    (point,) = activation_codes(clipped("Clip"), {"hidden"})
    assert (point.tensor, point.node, point.code_low, point.code_high) == ("hidden", "Neg_hidden", -7, 7)
    (point,) = activation_codes(clipped("Relu"), {"hidden"})
    assert (point.tensor, point.code_low, point.code_high) == ("hidden", 0, 127)
    (point,) = activation_codes(clipped("Clip"), {"hidden", "limited"})  # a ReLU6 of the user's own
    assert (point.tensor, point.code_low, point.code_high) == ("limited", -128, 127)


def test_sources_are_the_nearest_quantized_tensors() -> None:
    model = classifier().quantized()
    points = activation_codes(model)
    assert sources_of(model, points) == {"image": (), "hidden": ("image",), "flat": ("hidden",), "logits": ("flat",)}
    assert sources_of(model, points[:1]) == {"image": (), "logits": ("image",)}
