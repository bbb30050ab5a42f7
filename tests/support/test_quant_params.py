from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator

from gdfq_export.support.quant_params import QuantParams

_CODES = np.random.default_rng(0).integers(-128, 128, (4, 6)).astype(np.int8)


def params(scale: Any, **stated: Any) -> QuantParams:
    return QuantParams(scale=scale, **{"zero_point": 0, "dtype": np.dtype(np.int8), "code_range": (-128, 127)} | stated)


@pytest.mark.parametrize(
    ("scale", "attributes"),
    [
        (np.float32(0.3), {}),
        (np.linspace(0.1, 1, 4, dtype=np.float32), {"axis": 0}),
        (np.linspace(0.1, 1, 6, dtype=np.float32), {"axis": 1}),
        (np.linspace(0.1, 1, 8, dtype=np.float32).reshape(4, 2), {"axis": 1, "block_size": 3}),
    ],
    ids=["tensor", "rows", "columns", "blocks"],
)
def test_values_are_those_of_onnx(scale: NDArray[np.float32], attributes: dict[str, int]) -> None:
    node = helper.make_node("DequantizeLinear", ["codes", "scale", "zero"], ["y"], **attributes)
    zero = np.full(np.shape(scale), 0, np.int8)
    (expected,) = ReferenceEvaluator(node).run(None, {"codes": _CODES, "scale": scale, "zero": zero})
    found = params(scale, axis=attributes.get("axis"), block=attributes.get("block_size"))
    np.testing.assert_array_equal(found.dequantize(_CODES), expected)


def test_the_range_of_a_type_and_of_its_codes() -> None:
    narrow = params(np.float32(0.5), zero_point=8, dtype=np.dtype(np.uint8), code_range=(0, 15))
    assert (narrow.signed, narrow.storage_range, narrow.bounds, narrow.step) == (False, (0, 255), (-4.0, 3.5), 0.5)
    assert narrow.same_values(params(np.float32(0.5), zero_point=8, dtype=np.dtype(np.uint8)))
    assert not narrow.same_values(params(np.float32(0.5), zero_point=8))
