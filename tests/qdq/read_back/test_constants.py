from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from gdfq_export.errors import InputError
from gdfq_export.qdq.read_back.constants import activation_params, constant_of


def value(name: str, array: np.ndarray | None) -> ir.Value:
    tensor = None if array is None else ir.tensor(array, name=name)
    return ir.Value(name=name, const_value=tensor)


def node(codes: np.ndarray | None, scale: object, zero: object, **attributes: int) -> ir.Node:
    arrays = {"codes": codes, "scale": scale, "zero": zero}
    inputs = [value(name, None if array is None else np.asarray(array)) for name, array in arrays.items()]
    return ir.node("DequantizeLinear", inputs, attributes, name="dq")


def test_what_the_codes_of_an_activation_mean() -> None:
    params = activation_params(node(None, np.float32(0.5), np.int8(-3)))
    assert (params.scale, params.zero_point, params.dtype) == (np.float32(0.5), -3, np.int8)
    assert params.signed and params.code_range == params.storage_range == (-128, 127)


@pytest.mark.parametrize("axis", [0, -2])
def test_a_constant_with_a_scale_a_channel(axis: int) -> None:
    codes = np.arange(6, dtype=np.int8).reshape(2, 3)
    constant = constant_of(node(codes, np.ones(2, np.float32), np.zeros(2, np.int8), axis=axis))
    assert (constant.params.axis, constant.bits, constant.zero_point, constant.params.signed) == (0, 8, 0, True)
    assert np.array_equal(constant.codes, codes)


@pytest.mark.parametrize("shape", [(), (1,)])
def test_one_scale_has_no_axis(shape: tuple[int, ...]) -> None:
    constant = constant_of(
        node(np.zeros((2, 3), np.uint8), np.full(shape, 0.5, np.float32), np.full(shape, 7, np.uint8))
    )
    assert (constant.params.axis, constant.params.scale.shape, constant.zero_point, constant.params.signed) == (
        None,
        (),
        7,
        False,
    )


def test_one_channel_is_a_channel_where_the_file_says_along_what() -> None:
    constant = constant_of(node(np.zeros((1, 3), np.int8), np.ones(1, np.float32), np.zeros(1, np.int8), axis=0))
    assert (constant.params.axis, constant.params.scale.shape) == (0, (1,))


@pytest.mark.parametrize(
    ("codes", "scale", "zero", "attributes", "message"),
    [
        (None, np.ones(2, np.float32), np.uint8(0), {}, "scale a channel where activations have one"),
        (None, np.float32(1), np.int16(0), {}, "codes of int16"),
        (None, np.float32(0), np.uint8(0), {}, "not a positive float32"),
        (None, np.float64(1), np.uint8(0), {}, "not a positive float32"),
        (None, None, np.uint8(0), {}, "computed from the image"),
        (np.zeros((4, 4), np.int8), np.ones((2, 4), np.float32), np.zeros((2, 4), np.int8), {"block_size": 2}, "block"),
        (np.zeros((2, 3), np.int8), np.ones(3, np.float32), np.zeros(3, np.int8), {"axis": 0}, r"scales \[3\]"),
        (np.zeros((2, 3), np.int16), np.float32(1), np.int16(0), {}, "no integer kernel multiplies"),
    ],
)
def test_other_numbers_are_refused(codes, scale, zero, attributes: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=f"DequantizeLinear dq .*{message}.*no exact simulation of it exists"):
        (activation_params if codes is None else constant_of)(node(codes, scale, zero, **attributes))
