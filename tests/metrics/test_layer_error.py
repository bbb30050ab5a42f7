"""Layers of a small classifier: figures against plain numpy, and planted faults, each of which must name its tensor."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from gdfq_export.errors import InputError
from gdfq_export.metrics.layer_error import LayerError, LayerErrors, _worst, measure_layers
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.support.not_measured import NotMeasured
from tests import tiny_graph
from tests.jobs.verify.quantized_classifier import CLASSES, QuantizedClassifier, classifier, images

PICTURES = images(80)


def measure(quantized: onnx.ModelProto, float_network: onnx.ModelProto | None = None) -> LayerErrors:
    runtime = OnnxRuntime()
    found = measure_layers(
        float_network or classifier().float_network(),
        quantized,
        PICTURES,
        "noise",
        float_backend=runtime,
        backend=runtime,
        threads=1,
    )
    assert isinstance(found, LayerErrors)
    return found


def by_tensor(found: LayerErrors) -> dict[str, LayerError]:
    return {layer.tensor: layer for layer in found.layers}


def with_constant(model: onnx.ModelProto, name: str, change: object) -> onnx.ModelProto:
    """A copy in which `change` was applied to one initializer."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    tensor = next(tensor for tensor in copy.graph.initializer if tensor.name == name)
    old = numpy_helper.to_array(tensor)
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(change(old), old.dtype), name))  # type: ignore[operator]
    return copy


def float_tensors(network: QuantizedClassifier) -> dict[str, np.ndarray]:
    """What the float network computes, in float64."""
    kernel = network.kernel * network.kernel_scale.astype(np.float64)[:, None, None, None]
    bias = network.bias * (np.float32(1 / 40) * network.kernel_scale)
    hidden = np.maximum(PICTURES.reshape(len(PICTURES), -1) @ kernel.reshape(len(kernel), -1).T + bias, 0)
    matrix = network.matrix * network.matrix_scale.astype(np.float64)[:, None]
    return {"image": PICTURES.astype(np.float64), "hidden": hidden, "flat": hidden, "logits": hidden @ matrix.T}


def test_figures_are_those_of_numpy() -> None:
    network = classifier()
    found, exact, codes = measure(network.quantized()), float_tensors(network), network.integers(PICTURES)
    assert [layer.tensor for layer in found.layers] == ["image", "hidden", "flat", "logits"]
    assert (found.images, found.source, found.unmatched_tensors, found.worst_tensor) == (80, "noise", (), None)
    values = {
        "image": (codes["image_quantized"].astype(np.float64) - 128) / 40,
        "hidden": codes["hidden_quantized"].reshape(80, -1) * 0.031,
        "flat": codes["flat_quantized"] * 0.031,
        "logits": codes["logits"].astype(np.float64),
    }
    noise = {}
    for name, layer in by_tensor(found).items():
        x, y = exact[name].reshape(80, -1), values[name].reshape(80, -1)
        noise[name] = float(np.square(x - y).sum() / np.square(x).sum())
        assert layer.snr_db == pytest.approx(-10 * np.log10(noise[name]), abs=0.01), name
        assert (layer.float_min, layer.float_max) == pytest.approx((x.min(), x.max()), abs=1e-4)
        assert sum(layer.histogram.counts) == x.size
        assert not layer.channels_rescaled and layer.cause == ""
    hidden, logits = by_tensor(found)["hidden"], by_tensor(found)["logits"]
    assert (hidden.node, hidden.op_type) == ("Relu_hidden", "Relu")
    assert (hidden.range_min, hidden.range_max) == pytest.approx((0.0, 255 * 0.031))
    assert (hidden.levels, hidden.levels_used) == (256, len(np.unique(codes["hidden_quantized"])))
    assert hidden.out_of_range_fraction == pytest.approx(float((exact["hidden"] > 255.5 * 0.031).mean()))
    assert hidden.input_snr_db == by_tensor(found)["image"].snr_db
    assert hidden.added_noise_ratio == pytest.approx(noise["hidden"] - noise["image"], rel=0.01)
    assert (logits.range_min, logits.levels, logits.out_of_range_fraction) == (None, None, None)


@pytest.mark.parametrize(
    ("constant", "factor", "cause"),
    [
        ("hidden_scale", 8, "quantization levels: its scale is too large"),
        ("hidden_scale", 1 / 4, "% of its values lie outside the quantization range [0, "),
        ("image_scale", 8, "quantization levels: its scale is too large"),
        ("image_scale", 1 / 4, "% of its values lie outside the quantization range ["),
        ("conv_scale", 4, "its range fits, its values are 2.3 x the float network's"),  # the rest saturates
        ("conv_scale", 1 / 4, "its range fits, its values are 0.25 x the float network's: a scale is wrong"),
    ],
    ids=["activation-up", "activation-down", "image-up", "image-down", "weights-up", "weights-down"],
)
def test_a_wrong_scale_names_the_tensor_and_says_how_it_is_wrong(constant: str, factor: float, cause: str) -> None:
    found = measure(with_constant(classifier().quantized(), constant, lambda scale: scale * factor))
    wrong = "image" if constant.startswith("image") else "hidden"
    layer = by_tensor(found)[wrong]
    assert cause in layer.cause
    assert not layer.channels_rescaled
    if found.worst_tensor is not None:  # a scale eight times too large still leaves a usable tensor
        assert found.worst_tensor == wrong and found.worst_layer == layer
    else:
        assert factor > 1 and layer.levels_used is not None and layer.levels_used < 64


def test_swapped_channels_of_one_weight_name_what_they_compute() -> None:
    swapped = with_constant(classifier().quantized(), "conv_q", lambda codes: codes[[1, 0, 2, 3, 4]])
    found = measure(swapped)
    assert found.worst_tensor == "hidden"
    assert found.worst_layer is not None and found.worst_layer.node == "Relu_hidden"
    assert "its weights or bias differ from" in found.worst_layer.cause
    last = measure(with_constant(classifier().quantized(), "fc_q", lambda codes: codes[[1, 0, 2, 3]]))
    assert last.worst_tensor == "logits"


def test_channels_that_the_next_layer_scales_back_are_no_error() -> None:
    network = classifier()
    factors = np.array([1, 0.5, 0.25, 0.7, 0.3], np.float32)
    matrix = network.matrix * network.matrix_scale[:, None] / factors
    scale = (np.abs(matrix).max(axis=1) / 127).astype(np.float32)
    equalized = dataclasses.replace(
        network,
        kernel_scale=network.kernel_scale * factors,
        matrix=np.rint(matrix / scale[:, None]).astype(np.int8),
        matrix_scale=scale,
    )
    found = measure(equalized.quantized(), network.float_network())
    layers = by_tensor(found)
    assert (
        layers["hidden"].channels_rescaled
        and layers["flat"].channels_rescaled
        and not layers["logits"].channels_rescaled
    )
    assert min(layer.snr_db for layer in found.layers) > 25
    assert layers["hidden"].out_of_range_fraction is None
    assert found.worst_tensor is None and not any(layer.cause for layer in found.layers)

    half_done = dataclasses.replace(equalized, matrix=network.matrix, matrix_scale=network.matrix_scale)
    broken = measure(half_done.quantized(), network.float_network())
    assert broken.worst_tensor == "hidden" and not by_tensor(broken)["hidden"].channels_rescaled


def test_values_clipped_for_narrow_codes_keep_the_name_of_the_float_tensor() -> None:
    pair = (["hidden_scale", "zero"], "hidden_quantized")
    file = tiny_graph.model(
        nodes=[
            ("Conv", ["image", "conv_weight", "conv_bias"], ["hidden"]),
            ("Clip", ["hidden", "low", "high"], ["hidden_clipped"]),
            ("QuantizeLinear", ["hidden_clipped", *pair[0]], [pair[1]]),
            ("DequantizeLinear", [pair[1], *pair[0]], ["hidden_dq"]),
            ("Flatten", ["hidden_dq"], ["flat"]),
            ("Gemm", ["flat", "fc_weight"], ["logits"], {"transB": 1}),
        ],
        inputs={"image": ("batch", 2, 3, 3)},
        outputs=["logits"],
        initializers={
            **{tensor.name: numpy_helper.to_array(tensor) for tensor in classifier().float_network().graph.initializer},
            "hidden_scale": np.float32(0.5),
            "zero": np.int8(0),
            "low": np.float32(0),
            "high": np.float32(7.5),
        },
    )
    found = measure(file)
    layer = by_tensor(found)["hidden"]
    assert (layer.node, layer.op_type, found.unmatched_tensors) == ("Conv_hidden", "Conv", ())
    assert (layer.levels, layer.range_min, layer.range_max) == (16, 0.0, 7.5)
    assert "scale is too large" not in layer.cause


def test_what_has_no_counterpart_is_told() -> None:
    float_network = tiny_graph.model(
        nodes=[
            ("Conv", ["image", "conv_weight", "conv_bias"], ["conv"]),
            ("Flatten", ["conv"], ["plain"]),
            ("Relu", ["plain"], ["hidden"]),
            ("Gemm", ["hidden", "fc_weight"], ["logits"], {"transB": 1}),
        ],
        inputs={"image": ("batch", 2, 3, 3)},
        outputs=["logits"],
        initializers={
            tensor.name: numpy_helper.to_array(tensor) for tensor in classifier().float_network().graph.initializer
        },
    )
    found = measure(classifier().quantized(), float_network)
    assert found.unmatched_tensors == ("hidden", "flat")  # one of another shape, one of another name
    assert [layer.tensor for layer in found.layers] == ["image", "logits"]
    assert by_tensor(found)["logits"].input_snr_db == by_tensor(found)["image"].snr_db


def test_a_float_file_has_no_layers_to_compare() -> None:
    runtime, network = OnnxRuntime(), classifier().float_network()
    found = measure_layers(network, network, PICTURES, "noise", float_backend=runtime, backend=runtime, threads=1)
    assert isinstance(found, NotMeasured) and "no quantized tensor" in found.reason


def test_the_float_network_of_another_file_is_refused() -> None:
    other = tiny_graph.model(nodes=[("Flatten", ["image"], ["y"])], inputs={"image": ("batch", 2, 3, 3)}, outputs=["y"])
    with pytest.raises(InputError, match=rf"returns \[\d+, 18\] and the file \[\d+, {CLASSES}\]"):
        measure(classifier().quantized(), other)


def test_the_named_layer_is_one_that_adds_much_though_another_falls_further() -> None:
    """From a clean input down to 14 dB is a long fall, and less than a twentieth of the signal's power."""
    layer = by_tensor(measure(classifier().quantized()))["image"]
    falls = dataclasses.replace(layer, tensor="falls", input_snr_db=None, snr_db=14.0, added_noise_ratio=0.0398)
    adds = dataclasses.replace(layer, tensor="adds", input_snr_db=15.0, snr_db=10.8, added_noise_ratio=0.0508)
    assert _worst([falls, adds]) is adds
    assert _worst([falls]) is None
