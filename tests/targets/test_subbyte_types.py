"""Types below a byte are where ONNX has them, and hold what their bits say."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from gdfq_export.targets.subbyte_types import NARROW_TYPES


@pytest.mark.parametrize("bits", NARROW_TYPES)
def test_a_type_packs_its_bits_and_keeps_every_code(bits: int) -> None:
    codes = np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1)).astype(NARROW_TYPES[bits].dtype)
    tensor = onnx.numpy_helper.from_array(codes, "codes")
    assert len(tensor.raw_data) == len(codes) * bits // 8
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor).astype(int), codes.astype(int))


@pytest.mark.parametrize("bits", NARROW_TYPES)
def test_cast_takes_the_type_from_that_opset_on_and_not_before(bits: int) -> None:
    narrow = NARROW_TYPES[bits]
    assert cast_takes(bits, narrow.opset) and not cast_takes(bits, narrow.opset - 2)
    opsets = [helper.make_opsetid("", narrow.opset)]
    assert helper.find_min_ir_version_for(opsets) == narrow.ir_version


def cast_takes(bits: int, opset: int) -> bool:
    accepted = onnx.defs.get_schema("Cast", opset, "").type_constraints[0].allowed_type_strs
    return f"tensor(int{bits})" in accepted
