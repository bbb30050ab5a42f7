"""Sums of products against integers of 64 bits, and how many float32 operators they take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from gdfq_export.frontend.torch_import.operators.convolution import conv
from gdfq_export.frontend.torch_import.operators.linear import gemm
from gdfq_export.simulator.accumulator import Accumulator
from gdfq_export.simulator.codes import CodedTensor
from gdfq_export.support.quant_params import QuantParams

CONV = {"pads": (1, 1, 1, 1), "stride": (1, 1), "dilation": (1, 1), "groups": 1}
GEMM = {"alpha": 1.0, "beta": 1.0, "trans_a": False}


def grid(zero_point: int) -> QuantParams:
    return QuantParams(scale=np.float32(0.1), zero_point=zero_point, dtype=np.dtype(np.uint8), code_range=(0, 255))


def integers(seed: int, shape: tuple[int, ...], low: int, high: int) -> Tensor:
    """Mostly the extremes, whose sums are the largest."""
    random = np.random.default_rng(seed)
    drawn = random.integers(low, high + 1, shape)
    return torch.from_numpy(np.where(random.random(shape) < 0.7, random.choice([low, high], shape), drawn)).int()


def convolved(x: Tensor, weight: Tensor) -> Tensor:
    columns = functional.unfold(functional.pad(x.double(), (1, 1, 1, 1)), weight.shape[2:]).long()
    return (weight.flatten(1).long() @ columns).reshape(len(x), len(weight), *x.shape[2:])


@given(
    seed=st.integers(0, 2**16),
    zero_point=st.sampled_from([0, 3, 128, 255]),
    channels=st.sampled_from([3, 70, 300]),
    largest_bias=st.sampled_from([None, 1000, 2**30]),
)
def test_convolutions(seed: int, zero_point: int, channels: int, largest_bias: int | None) -> None:
    x = CodedTensor(codes=integers(seed, (2, channels, 4, 3), 0, 255), grid=grid(zero_point))
    weight = integers(seed + 1, (4, channels, 3, 3), -128, 127)
    bias = None if largest_bias is None else integers(seed + 2, (4,), -largest_bias, largest_bias)
    expected = convolved(x.offsets, weight) + (0 if bias is None else bias.reshape(-1, 1, 1))
    assert torch.equal(Accumulator(conv, weight, bias, x.grid, CONV)(x).long(), expected)


@given(seed=st.integers(0, 2**16), zero_point=st.sampled_from([0, 128]), size=st.sampled_from([5, 600, 3000]))
@pytest.mark.parametrize("transposed", [False, True])
def test_products(seed: int, zero_point: int, size: int, transposed: bool) -> None:
    x = CodedTensor(codes=integers(seed, (2, size), 0, 255), grid=grid(zero_point))
    factor, bias = integers(seed + 1, (size, 4), -255, 255), integers(seed + 2, (4,), -(2**30), 2**30)
    expected = x.offsets.long() @ factor.long()
    found = Accumulator(torch.matmul, factor, None, x.grid, {})(x)
    assert torch.equal(found.long(), expected)
    weight = factor.t().contiguous() if transposed else factor
    found = Accumulator(gemm, weight, bias, x.grid, {**GEMM, "trans_b": transposed})(x)
    assert torch.equal(found.long(), expected + bias)


@given(seed=st.integers(0, 2**16))
def test_products_of_stacked_matrices(seed: int) -> None:
    x = CodedTensor(codes=integers(seed, (2, 3, 4, 900), 0, 255), grid=grid(100))
    factor = integers(seed + 1, (2, 3, 900, 5), -200, 255)
    found = Accumulator(torch.matmul, factor, None, x.grid, {})(x)
    assert torch.equal(found.long(), x.offsets.long() @ factor.long())


@pytest.mark.parametrize(
    ("channels", "zero_point", "groups", "dtypes"),
    [
        (57, 0, 1, [torch.float32]),  # 57 * 9 * 255 * 128 < 2**24
        (58, 0, 1, [torch.float32] * 2),
        (58, 128, 1, [torch.float32]),  # the zero point in the middle: half of that on each side
        (512, 0, 1, [torch.float32] * 16),
        (116, 0, 2, [torch.float64]),
    ],
)
def test_no_more_blocks_than_are_exact(channels: int, zero_point: int, groups: int, dtypes: list[torch.dtype]) -> None:
    seen = []

    def spy(x: Tensor, *others: Tensor, **attributes: Any) -> Tensor:
        seen.append(x.dtype)
        return conv(x, *others, **attributes)

    x = CodedTensor(codes=torch.full((1, channels, 4, 4), 255, dtype=torch.int32), grid=grid(zero_point))
    weight = torch.full((2, channels // groups, 3, 3), -128, dtype=torch.int32)
    accumulator = Accumulator(conv, weight, None, x.grid, {**CONV, "groups": groups})
    accumulator._operator = spy
    total = accumulator(x)
    assert seen == dtypes
    assert int(total.min()) == -128 * (255 - zero_point) * 9 * channels // groups
