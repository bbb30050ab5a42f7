"""Products with weights in blocks: the runtime's own answer, and what other runtimes are taken to compute."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gdfq_export.planning.plan import QuantPoint, Role
from gdfq_export.simulator import Encoding
from gdfq_export.simulator.weight_only import WeightOnlyKernel, dequantized_blocks

RANDOM = np.random.default_rng(0)
POINT = QuantPoint(
    key="w", tensor="w", consumers=("y",), role=Role.WEIGHT, bits=4, signed=True, symmetric=True, axis=0, group="w",
    packed=(4,), native=True, block=16,
)  # fmt: skip
ENCODING = Encoding(
    scale=RANDOM.uniform(0.01, 0.1, (6, 3)).astype(np.float32), codes=RANDOM.integers(-8, 8, (6, 48)).astype(np.int8)
)


def test_a_block_of_inputs_shares_a_scale() -> None:
    weight = dequantized_blocks(POINT, ENCODING)
    assert ENCODING.codes is not None
    for row in range(6):
        for column in range(48):
            assert weight[row, column] == np.float32(ENCODING.codes[row, column]) * ENCODING.scale[row, column // 16]


@pytest.mark.parametrize("exact", [False, True], ids=["float", "runtime"])
@pytest.mark.parametrize("rank", [2, 3])
def test_both_multiply_with_that_weight(exact: bool, rank: int) -> None:
    x = torch.from_numpy(RANDOM.normal(size=(2, 3, 48)[3 - rank :]).astype(np.float32))
    bias = torch.from_numpy(RANDOM.normal(size=6).astype(np.float32))
    kernel = WeightOnlyKernel(POINT, ENCODING, opset=21, exact=exact)
    expected = x.numpy().astype(np.float64) @ dequantized_blocks(POINT, ENCODING).T + bias.numpy()
    found = kernel(x, bias).numpy()
    # the runtime rounds activations to 8 bits, block by block
    np.testing.assert_allclose(found, expected, atol=0.05 if exact else 1e-5)
    assert exact == bool(np.abs(found - expected).max() > 1e-4)
