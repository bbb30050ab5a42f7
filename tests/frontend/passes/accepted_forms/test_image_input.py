from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.accepted_forms.image_input import ImageForm, in_form, take_float_images
from gdfq_export.frontend.passes.measured_shapes import run_model
from gdfq_export.frontend.sources import load_model
from tests import tiny_graph
from tests.frontend.sources import networks

RANDOM = np.random.default_rng(0)
MEAN, WEIGHT = RANDOM.normal(size=3).astype(np.float32), RANDOM.normal(size=(4, 3, 3, 3)).astype(np.float32)
PIXELS = RANDOM.integers(0, 256, (2, 3, 8, 9)).astype(np.uint8)
LAST = ("n", 8, 9, 3)
UPRIGHT = {"perm": [0, 3, 1, 2]}


def _network(
    nodes: Sequence[tiny_graph.Node], shape: Sequence[int | str], *, pixels: bool = False, **constants: Any
) -> onnx.ModelProto:
    proto = tiny_graph.model(
        nodes=nodes,
        inputs={"x": shape},
        outputs=["y"],
        initializers={"w": WEIGHT, **constants},
        opset=17,
        infer_shapes=not pixels,
    )
    if pixels:
        proto.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
        proto = onnx.shape_inference.infer_shapes(proto, strict_mode=True)
    return proto


def _agree(proto: onnx.ModelProto, form: ImageForm) -> onnx.ModelProto:
    """The float network computes the same, and with its input in the file's form again."""
    before = proto.SerializeToString()
    found, found_form = take_float_images(proto)
    assert found_form == form and proto.SerializeToString() == before
    own: Mapping[str, np.ndarray] = {"x": PIXELS.transpose(0, 2, 3, 1) if form.channels_last else PIXELS}
    own = own if form.pixels else {"x": own["x"].astype(np.float32)}
    expected = run_model(proto, own)["y"]
    for network, feeds in ((found, {"x": PIXELS.astype(np.float32)}), (in_form(found, form), own)):
        onnx.checker.check_model(network, full_check=True)
        np.testing.assert_allclose(run_model(network, feeds)["y"], expected, rtol=1e-4, atol=1e-2)
    return found


def _operators(proto: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in proto.graph.node]


def test_a_leading_transpose_is_taken_away() -> None:
    proto = _network([("Transpose", ["x"], ["t"], UPRIGHT), ("Conv", ["t", "w"], ["y"])], LAST)
    found = _agree(proto, ImageForm(channels_last=True))
    assert _operators(found) == ["Conv"]
    assert [dim.dim_value for dim in found.graph.input[0].type.tensor_type.shape.dim[1:]] == [3, 8, 9]


def test_uint8_and_its_preprocessing() -> None:
    nodes: list[tiny_graph.Node] = [
        ("Cast", ["x"], ["c"], {"to": TensorProto.FLOAT}),
        ("Sub", ["c", "mean"], ["s"]),
        ("Transpose", ["s"], ["t"], UPRIGHT),
        ("Conv", ["t", "w"], ["y"]),
    ]
    proto = _network(nodes, LAST, pixels=True, mean=MEAN)
    assert _operators(_agree(proto, ImageForm(pixels=True, channels_last=True))) == ["Sub", "Conv"]


def test_uint8_with_channels_first() -> None:
    proto = _network(
        [("Cast", ["x"], ["c"], {"to": TensorProto.FLOAT}), ("Conv", ["c", "w"], ["y"])], ("n", 3, 8, 9), pixels=True
    )
    assert _operators(_agree(proto, ImageForm(pixels=True))) == ["Conv"]


def test_what_is_not_done_to_each_pixel_keeps_its_channels_last() -> None:
    nodes: list[tiny_graph.Node] = [
        ("Pad", ["x", "pads"], ["p"]),
        ("Transpose", ["p"], ["t"], UPRIGHT),
        ("Conv", ["t", "w"], ["y"]),
    ]
    proto = _network(nodes, LAST, pads=np.array([0, 1, 1, 0, 0, 1, 1, 0]))
    assert _operators(_agree(proto, ImageForm(channels_last=True))) == ["Transpose", "Pad", "Transpose", "Conv"]


def test_channels_that_a_convolution_reads_first_are_first() -> None:
    weight = RANDOM.normal(size=(4, 8, 1, 1)).astype(np.float32)
    proto = _network([("Conv", ["x", "deep"], ["y"])], ("n", 8, 9, 3), deep=weight)
    found, form = take_float_images(proto)
    assert found is proto and form == ImageForm()


def test_a_network_of_uint8_is_loaded_with_raw_pixels(tmp_path: Path) -> None:
    proto = networks.classifier(
        nodes=[
            ("Cast", ["x"], ["f"], {"to": TensorProto.FLOAT}),
            ("Flatten", ["f"], ["g"]),
            ("Gemm", ["g", "m"], ["y"]),
        ],
        initializers={"m": RANDOM.normal(size=(192, 5)).astype(np.float32)},
        infer_shapes=False,
    )
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    path = networks.saved(tmp_path, onnx.shape_inference.infer_shapes(proto))
    model = load_model(path)
    assert (model.input_spec.scale, model.input_spec.mean, model.input_spec.std) == (1.0, (0.0,) * 3, (1.0,) * 3)
    assert model.image_form == ImageForm(pixels=True) and not [text for text in model.warnings if "pixels" in text]
    with pytest.raises(InputError, match="takes pixels as uint8"):
        load_model(path, scale=255)
