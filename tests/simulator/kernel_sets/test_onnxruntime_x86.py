"""Each integer kernel against ONNX Runtime's own, on random codes and grids, to the bit."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional

from gdfq_export.simulator.accumulator import accumulate
from gdfq_export.simulator.codes import CodedTensor, clip, dequantize, quantize
from gdfq_export.simulator.kernel_sets import onnxruntime_x86 as kernels
from gdfq_export.support.quant_params import QuantParams
from tests.simulator.kernel_sets.kernel_model import SHAPE, coded, grid, runtime

VOLUME = (*SHAPE, 6)

grids = st.builds(lambda scale, zero_point: grid(scale, zero_point), st.floats(1e-3, 0.5), st.integers(0, 255))
seeds = st.integers(0, 2**16)


def assert_codes(found: torch.Tensor, expected: np.ndarray) -> None:
    assert found.dtype == torch.int32
    np.testing.assert_array_equal(found.numpy(), expected.astype(np.int32))


@given(a=grids, b=grids, result=grids, seed=seeds)
def test_add(a: QuantParams, b: QuantParams, result: QuantParams, seed: int) -> None:
    parts = [coded(a, seed), coded(b, seed + 1)]
    assert_codes(kernels.add(parts[0], parts[1], result), runtime("Add", parts, result))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((6, 20, 1, 1), ()),
        ((6, 20, 3, 3), ()),
        ((), (6, 20, 3, 3)),
        ((6, 20, 3, 1), (1,)),
        ((6, 20, 1, 1), (1, 1)),
        ((6, 20, 1, 1), (20, 1, 1)),
        ((6, 20, 1, 1), (1, 1, 1)),
        ((2, 20, 1, 1), (2, 20, 3, 3)),
        ((6, 4, 5, 1), (4, 1, 1)),
    ],
)
def test_add_of_near_ties_that_broadcast(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    """0 + 3 with a scale of 6/255 is code 127.5: the order of additions decides."""
    for seed in range(30):
        random = np.random.default_rng(seed)
        zero_point, result = int(random.integers(1, 255)), grid(6 / 255, 0)
        zeros, ones = torch.full(first, zero_point, dtype=torch.int32), torch.ones(second, dtype=torch.int32)
        parts = [
            CodedTensor(codes=zeros, grid=grid(float(random.uniform(0.001, 0.2)), zero_point)),
            CodedTensor(codes=ones, grid=grid(3.0, 0)),
        ]
        assert_codes(kernels.add(parts[0], parts[1], result), runtime("Add", parts, result))


def test_add_beyond_int32() -> None:
    """Sums from 2**31 steps on are the smallest code, as the processor converts them."""
    parts = [coded(grid(1e6, 100), 1), coded(grid(1.0, 0), 2)]
    assert_codes(kernels.add(parts[0], parts[1], grid(0.01, 0)), runtime("Add", parts, grid(0.01, 0)))


@given(a=grids, b=grids, result=grids, seed=seeds)
def test_multiply(a: QuantParams, b: QuantParams, result: QuantParams, seed: int) -> None:
    parts = [coded(a, seed), coded(b, seed + 1)]
    assert_codes(kernels.multiply(parts[0], parts[1], result), runtime("Mul", parts, result))


@given(a=grids, b=grids, result=grids, seed=seeds, same=st.booleans())
def test_concat(a: QuantParams, b: QuantParams, result: QuantParams, seed: int, same: bool) -> None:
    parts = [coded(result if same else a, seed), coded(b, seed + 1)]
    assert_codes(kernels.concat(parts, result, axis=1), runtime("Concat", parts, result, axis=1))


@given(a=grids, result=grids, seed=seeds, axes=st.integers(1, 3))
def test_global_average_pool(a: QuantParams, result: QuantParams, seed: int, axes: int) -> None:
    part = coded(a, seed, VOLUME[: 2 + axes])
    assert_codes(kernels.global_average_pool(part, result), runtime("GlobalAveragePool", [part], result))


@given(
    a=grids,
    result=grids,
    seed=seeds,
    pads=st.sampled_from([(0, 0), (1, 1), (0, 1), (1, 0)]),
    stride=st.integers(1, 2),
    ceil=st.booleans(),
    counted=st.booleans(),
    axes=st.integers(1, 3),
)
def test_average_pool(
    a: QuantParams,
    result: QuantParams,
    seed: int,
    pads: tuple[int, int],
    stride: int,
    ceil: bool,
    counted: bool,
    axes: int,
) -> None:
    part, sides = coded(a, seed, VOLUME[: 2 + axes]), [pads[0]] * axes + [pads[1]] * axes
    window = {"kernel_shape": [3] * axes, "pads": sides, "strides": [stride] * axes, "ceil_mode": int(ceil)}
    expected = runtime("AveragePool", [part], result, **window, count_include_pad=int(counted))
    found = kernels.average_pool(
        part,
        result,
        kernel=(3,) * axes,
        pads=tuple(sides),
        stride=(stride,) * axes,
        dilation=(1,) * axes,
        ceil_mode=ceil,
        count_include_pad=counted,
    )
    assert_codes(found, expected)


@given(
    a=grids,
    result=grids,
    seed=seeds,
    size=st.sampled_from([1, 3]),
    largest=st.sampled_from([7, 127]),
    axes=st.integers(1, 3),
)
def test_convolution(a: QuantParams, result: QuantParams, seed: int, size: int, largest: int, axes: int) -> None:
    part, random = coded(a, seed, VOLUME[: 2 + axes]), np.random.default_rng(seed)
    weight = random.integers(-largest - 1, largest + 1, (6, 4, *[size] * axes)).astype(np.int8)
    scale = random.uniform(1e-3, 0.2, 6).astype(np.float32)
    bias = random.integers(-(2**20), 2**20, 6).astype(np.int32)
    convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[axes - 1]
    sums = accumulate(
        convolve, part, torch.from_numpy(weight.astype(np.int32)), torch.from_numpy(bias), padding=size // 2
    )
    multiplier = torch.from_numpy(a.scale * scale / result.scale).reshape(-1, *[1] * axes)
    expected = runtime("Conv", [part], result, [weight, scale, bias], pads=[size // 2] * (2 * axes))
    assert_codes(kernels.requantize(sums, multiplier, result), expected)


@pytest.mark.parametrize("bias", [None, 2**30])
def test_sums_are_exact_however_large(bias: int | None) -> None:
    part = CodedTensor(codes=torch.full((1, 40_000), 255, dtype=torch.int32), grid=grid(0.1, 0))
    weight = torch.full((1, 40_000), 127, dtype=torch.int32)
    weight[0, 0] = 126
    offset = None if bias is None else torch.tensor([bias + 1], dtype=torch.int32)
    (total,) = accumulate(functional.linear, part, weight, offset).flatten().tolist()
    assert total == 255 * 127 * 40_000 - 255 + (0 if bias is None else bias + 1)


@given(where=grids, seed=seeds)
def test_quantize_and_dequantize_are_the_runtimes(where: QuantParams, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32) * 20
    parameters = [where.scale, np.uint8(where.zero_point)]
    node = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"])
    graph = helper.make_graph(
        [node, helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"])],
        "pair",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("q", TensorProto.UINT8, SHAPE),
         helper.make_tensor_value_info("y", TensorProto.FLOAT, SHAPE)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in zip("sz", parameters, strict=True)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    expected, real = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    found = quantize(torch.from_numpy(x), where)
    assert_codes(found, expected)
    np.testing.assert_array_equal(dequantize(CodedTensor(codes=found, grid=where)).numpy(), real)


def test_codes_below_eight_bits_saturate_at_their_own_limit() -> None:
    narrow = grid(0.1, 4, bits=4)
    assert quantize(torch.tensor([-9.0, 0.0, 0.3, 9.0]), narrow).tolist() == [0, 4, 7, 15]
    assert kernels.requantize(torch.tensor([[-500.0], [30.0], [500.0]]), torch.tensor(0.1), narrow).tolist() == [
        [0], [7], [15],
    ]  # fmt: skip


@given(where=grids, seed=seeds)
def test_clip_leaves_what_quantize_and_dequantize_would_only_round(where: QuantParams, seed: int) -> None:
    x = torch.from_numpy(np.random.default_rng(seed).normal(scale=200 * where.scale, size=SHAPE).astype(np.float32))
    rounded = dequantize(CodedTensor(codes=quantize(x, where), grid=where))
    clipped = clip(x, where)
    assert float((clipped - rounded).abs().max()) <= 0.501 * float(where.scale)
    assert torch.equal(clipped[clipped != x].unique(), rounded[clipped != x].unique())


def test_an_accumulator_of_nothing_is_positive_zero() -> None:
    grid = QuantParams(scale=np.float32(1.0), zero_point=0, dtype=np.dtype(np.uint8), code_range=(0, 255))
    x = CodedTensor(codes=torch.zeros(1, 1, dtype=torch.int32), grid=grid)
    negative = torch.tensor([[-3]], dtype=torch.int32)
    total = accumulate(torch.matmul, x, negative, None)
    assert not torch.signbit(total).any()
