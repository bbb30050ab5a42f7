"""Sizes that a file leaves open: what they are called, which others are tried, and how they are opened again."""

from __future__ import annotations

import onnx

from gdfq_export.frontend.passes.acceptance import fix_input_shape
from gdfq_export.frontend.passes.accepted_forms.open_sizes import OpenSizes
from tests.frontend.sources import networks


def _sizes(*shape: str | int) -> OpenSizes | None:
    return OpenSizes.of(networks.classifier(inputs={"x": ("batch", *shape)}))


def _dims(proto: onnx.ModelProto) -> list[str | int]:
    return [dim.dim_param or dim.dim_value for dim in proto.graph.input[0].type.tensor_type.shape.dim]


def test_the_batch_is_none_of_them() -> None:
    assert _sizes(3, 8, 8) is None


def test_each_axis_grows_in_its_own_way() -> None:
    sizes = _sizes(3, "height", "width")
    assert sizes is not None and sizes.symbols == {2: "height", 3: "width"}
    assert list(sizes.others((1, 3, 64, 64))) == [(1, 3, 96, 128), (1, 3, 128, 128)]


def test_axes_of_one_symbol_grow_alike() -> None:
    square, wide = _sizes(3, "side", "side"), _sizes(3, 8, "width")
    assert square is not None and next(square.others((1, 3, 64, 64))) == (1, 3, 96, 96)
    assert wide is not None and list(wide.others((2, 3, 8, 64))) == [(2, 3, 8, 96), (2, 3, 8, 128)]


def test_they_are_opened_again_under_their_symbols() -> None:
    proto = networks.classifier(inputs={"x": ("batch", 3, "height", "width")})
    sizes = OpenSizes.of(proto)
    fix_input_shape(proto, (3, 8, 8), "net.onnx", "the test")
    assert sizes is not None and _dims(sizes.proto) == ["batch", 3, "height", "width"]
    assert _dims(sizes.opened(proto)) == ["batch", 3, "height", "width"]
    assert _dims(proto) == ["batch", 3, 8, 8]


def test_sizes_without_a_symbol_are_open_too() -> None:
    proto = networks.classifier(inputs={"x": ("batch", 3, 8, 8)})
    for dim in proto.graph.input[0].type.tensor_type.shape.dim[2:]:
        dim.Clear()
    sizes = OpenSizes.of(proto)
    assert sizes is not None and list(sizes.symbols.items()) == [(2, ""), (3, "")]
    assert next(sizes.others((1, 3, 8, 8))) == (1, 3, 40, 72)
