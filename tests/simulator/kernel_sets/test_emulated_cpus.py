"""Each integer kernel against ONNX Runtime on other CPUs, emulated, to the bit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch.nn import functional

from gdfq_export.runtimes.emulation import Emulator, Job
from gdfq_export.simulator.accumulator import accumulate
from gdfq_export.simulator.codes import CodedTensor
from gdfq_export.simulator.kernel_sets import KERNEL_SETS, KernelSet
from gdfq_export.simulator.kernel_sets.equal_sums import all_pairs
from gdfq_export.simulator.lookup import UnaryKernel
from gdfq_export.support.quant_params import QuantParams
from gdfq_export.targets import Kernel
from tests.simulator.kernel_sets.kernel_model import KernelModel, coded, grid, kernel_model

Case = tuple[str, KernelModel, torch.Tensor]

EVERY_CPU = {
    "cortex-a53": "onnxruntime-arm64",
    "cortex-a72": "onnxruntime-arm64",
    "cortex-a76": "onnxruntime-arm64",
    "arm64-max": "onnxruntime-arm64",
    "haswell": "onnxruntime-x86",
    "nehalem": "onnxruntime-sse",
}
QUICK = ("cortex-a53", "cortex-a76", "haswell", "nehalem")
SATURATES = ("haswell",)
"""Where products of 8-bit weights saturate."""


class Draws:
    """Random cases of one seed, with the codes that a kernel set computes for them."""

    def __init__(self, kernels: KernelSet, seed: int, lowest: int) -> None:
        self.kernels = kernels
        self.random = np.random.default_rng(seed)
        self.lowest = lowest

    def grid(self, scale: float | None = None) -> QuantParams:
        zero_point = int(self.random.choice([0, 128, self.random.integers(0, 256)]))
        return grid(float(np.exp(self.random.uniform(-6, -1))) if scale is None else scale, zero_point)

    def codes(self, *shape: int, extreme: bool = False) -> CodedTensor:
        part = coded(self.grid(), int(self.random.integers(2**31)), shape)
        if not extreme:
            return part
        ends = torch.from_numpy(self.random.choice([0, 255], shape).astype(np.int32))
        return CodedTensor(codes=torch.where(torch.rand(shape) < 0.7, ends, part.codes), grid=part.grid)

    def all(self) -> Iterator[Case]:
        yield from self.sums()
        yield from self.others()
        yield from self.layers()
        yield from self.runtime_kernels()

    def sums(self) -> Iterator[Case]:
        add = self.kernels.binary[Kernel.ADD]
        result = self.grid()
        half, double = self.grid(float(result.scale) / 2), self.grid(float(result.scale) * 2)
        far = self.grid(float(result.scale) * 300)
        for name, a, b in (
            ("sum", self.grid(), self.grid()),
            ("sum with ratios of powers of two", half, double),
            ("sum with a ratio of a power of two", half, self.grid()),
            ("sum of equal scales", half, half),
            ("sum beyond fixed point", far, self.grid()),
        ):
            pair = all_pairs(a, b)
            yield name, kernel_model("Add", [*pair], result), add(*pair, result)
        every = torch.arange(256, dtype=torch.int32)
        rows = CodedTensor(codes=every.expand(200, 256).contiguous(), grid=half)
        for other in (every[:200, None].contiguous(), every[7], every[9:10]):
            coded_other = CodedTensor(codes=other, grid=self.grid())
            for pair in ((rows, coded_other), (coded_other, rows)):
                yield "sum that broadcasts", kernel_model("Add", [*pair], result), add(*pair, result)
        x = CodedTensor(codes=every, grid=self.grid())
        one, gate = CodedTensor(codes=torch.ones((), dtype=torch.int32), grid=grid(3.0, 0)), grid(6 / 255, 0)
        yield "HardSigmoid", kernel_model("Add", [x, one], gate), add(x, one, gate)

    def others(self) -> Iterator[Case]:
        result = self.grid()
        pair = all_pairs(self.grid(), self.grid())
        yield "product", kernel_model("Mul", [*pair], result), self.kernels.binary[Kernel.MUL](*pair, result)
        parts = [self.codes(2, 8, 40), self.codes(2, 4, 40)]
        yield "Concat", kernel_model("Concat", parts, result, axis=1), self.kernels.concat(parts, result, axis=1)
        x = self.codes(2, 20, *self.random.integers(1, 9, 2))
        mean = self.kernels.unary[Kernel.GLOBAL_AVERAGE_POOL](x, result)
        yield "mean", kernel_model("GlobalAveragePool", [x], result), mean
        x, side = self.codes(2, 20, 9, 11), int(self.random.integers(0, 2))
        window = {"kernel_shape": [3, 3], "pads": [side] * 4, "strides": [2, 1], "count_include_pad": 0}
        averages = self.kernels.unary[Kernel.AVERAGE_POOL](
            x,
            result,
            kernel=(3, 3),
            pads=(side,) * 4,
            stride=(2, 1),
            dilation=(1, 1),
            ceil_mode=False,
            count_include_pad=False,
        )
        yield "AveragePool", kernel_model("AveragePool", [x], result, **window), averages

    def layers(self) -> Iterator[Case]:
        """Convolutions and products in which many weights and activations are the outermost codes."""
        for size, depthwise in ((1, False), (3, False), (3, True), (5, True), (7, True)):
            inputs = int(self.random.integers(4, 40))
            outputs = inputs if depthwise else int(self.random.integers(4, 40))
            weight, scale, bias = self.numbers((outputs, 1 if depthwise else inputs, size, size))
            x, result = self.codes(2, inputs, 9, 11, extreme=True), self.grid(20.0)
            groups = inputs if depthwise else 1
            sums = accumulate(
                functional.conv2d,
                x,
                torch.from_numpy(weight.astype(np.int32)),
                torch.from_numpy(bias),
                padding=size // 2,
                groups=groups,
            )
            multiplier = torch.from_numpy(x.grid.scale * scale / result.scale).reshape(-1, 1, 1)
            model = kernel_model(
                "Conv", [x], result, [weight, scale, bias], pads=[size // 2] * 4, group=groups, kernel_shape=[size] * 2
            )
            yield f"Conv {size}x{size}, {groups} groups", model, self.kernels.requantize(sums, multiplier, result)
        weight, scale, bias = self.numbers((33, int(self.random.integers(4, 300))))
        x, result = self.codes(5, weight.shape[1], extreme=True), self.grid(20.0)
        sums = accumulate(functional.linear, x, torch.from_numpy(weight.astype(np.int32)), torch.from_numpy(bias))
        multiplier = torch.from_numpy(x.grid.scale * scale / result.scale)
        model = kernel_model("Gemm", [x], result, [weight, scale, bias], transB=1)
        yield "Gemm", model, self.kernels.requantize(sums, multiplier, result)

    def numbers(self, shape: tuple[int, ...]) -> list[np.ndarray]:
        """Weights, their scales, biases."""
        random, highest = self.random, min(127, -self.lowest - (self.lowest > -127))
        weight = random.integers(self.lowest, highest + 1, shape)
        weight = np.where(random.random(shape) < 0.5, self.lowest, weight).astype(np.int8)
        scale = random.uniform(1e-3, 0.1, shape[0]).astype(np.float32)
        return [weight, scale, random.integers(-(2**16), 2**16, shape[0]).astype(np.int32)]

    def runtime_kernels(self) -> Iterator[Case]:
        """What the simulation asks this machine's runtime for."""
        result, every = self.grid(), CodedTensor(codes=torch.arange(256, dtype=torch.int32), grid=self.grid())
        for op_type, x, attributes in (
            ("Sigmoid", every, {}),
            ("LeakyRelu", every, {"alpha": 0.1}),
            ("Softmax", self.codes(16, 50), {"axis": -1}),
        ):
            grid_of_it = grid(1 / 255, 0) if op_type != "LeakyRelu" else result
            inputs = [ir.Value(name="x")]
            node = ir.node(op_type, inputs, attributes=attributes)
            kernel = UnaryKernel(node, x.grid, grid_of_it, opset=21, rank=x.codes.dim())
            yield op_type, kernel_model(op_type, [x], grid_of_it, **attributes), kernel(x.codes)


def differing(emulator: Emulator, cpu: str, seeds: range) -> list[str]:
    kernels = KERNEL_SETS[EVERY_CPU[cpu]]
    lowest = -64 if cpu in SATURATES else -127
    cases = [case for seed in seeds for case in Draws(kernels, seed, lowest).all()]
    jobs = [Job(model=kernel.model, feeds=kernel.feeds) for _, kernel, _ in cases]
    return [
        f"{name}: {count}"
        for (name, _, expected), (found,) in zip(cases, emulator.run_many(cpu, jobs), strict=True)
        if (count := np.count_nonzero(found != expected.numpy()))
    ]


@pytest.mark.parametrize("cpu", QUICK)
def test_every_kernel_computes_the_codes_of_its_kernel_set(emulator: Emulator, cpu: str) -> None:
    assert not differing(emulator, cpu, range(1))


@pytest.mark.slow
@pytest.mark.parametrize("cpu", EVERY_CPU)
def test_every_kernel_of_many_draws(emulator: Emulator, cpu: str) -> None:
    assert not differing(emulator, cpu, range(1, 31))


def test_two_weights_of_minus_128_in_a_channel_overflow_without_dot_product(emulator: Emulator) -> None:
    """Why `NumberFormat.lowest` is -127."""
    cases = [*Draws(KERNEL_SETS["onnxruntime-arm64"], 0, -128).layers()]
    jobs = [Job(model=kernel.model, feeds=kernel.feeds) for _, kernel, _ in cases]
    found = emulator.run_many("cortex-a53", jobs)
    differ = {name for (name, _, codes), (result,) in zip(cases, found, strict=True) if (result != codes.numpy()).any()}
    assert any(name.startswith("Conv 1x1") for name in differ)
