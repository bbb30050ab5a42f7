"""Whether ONNX Runtime multiplies uint8 by int8 exactly on this CPU, tested with the largest codes.

Without VNNI x86 kernels add two products in 16 bits (`vpmaddubsw`), which saturates: 2 x 255 x 127 = 64,770 becomes
32,767. Convolutions of extreme codes are computed by QLinearConv and in 64-bit integers; each sum is scaled so that one
output code stands for less than a hundredth of what saturation would take away.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from gdfq_export.simulator.session import one_thread_session

_CHANNELS, _OUTPUTS, _SIDE, _KERNEL = 32, 16, 8, 3
_ZERO = 128
_OPSET = 21

Codes = NDArray[np.uint8]
Weights = NDArray[np.int8]
Kernel = Callable[[Codes, Weights, float], Codes]
"""Codes `[1, C, H, W]`, weights `[K, C, 3, 3]` and the factor of the sums to output codes around 128."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductExactness:
    """`wrong` of `of` output codes are wrong for weights of `bits` bits; the test took `seconds`."""

    bits: int
    wrong: int
    of: int
    seconds: float

    @property
    def exact(self) -> bool:
        """Whether no code is wrong."""
        return self.wrong == 0


def measure_products(kernel: Kernel | None = None) -> tuple[ProductExactness, ...]:
    """Weights of 8 and of 7 bits, the largest and random ones, times the largest and random activations.

    Args:
        kernel: the kernel under test; None takes ONNX Runtime's QLinearConv on one thread.
    """
    return tuple(_measure(kernel or _onnxruntime, bits) for bits in (8, 7))


def _measure(kernel: Kernel, bits: int) -> ProductExactness:
    started = time.perf_counter()
    random = np.random.default_rng(0)
    shape = (_OUTPUTS, _CHANNELS, _KERNEL, _KERNEL)
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    images = [np.full((1, _CHANNELS, _SIDE, _SIDE), 255), random.integers(0, 256, (1, _CHANNELS, _SIDE, _SIDE))]
    weights = [np.full(shape, high), np.full(shape, low), random.choice([low, high], shape)]
    wrong = of = 0
    for image in images:
        for weight in weights:
            codes, small = image.astype(np.uint8), weight.astype(np.int8)
            sums = _sums(codes, small)
            factor = 100 / float(np.abs(sums).max())
            expected = np.clip(np.rint(sums.astype(np.float32) * np.float32(factor)) + _ZERO, 0, 255)
            got = kernel(codes, small, factor)
            wrong += int((np.abs(got.astype(np.int64) - expected.astype(np.int64)) > 1).sum())
            of += got.size
    return ProductExactness(bits=bits, wrong=wrong, of=of, seconds=time.perf_counter() - started)


def _sums(codes: Codes, weights: Weights) -> NDArray[np.int64]:
    """The convolution in 64-bit integers, without padding, zero point 0."""
    windows = np.lib.stride_tricks.sliding_window_view(codes.astype(np.int64), (_KERNEL, _KERNEL), axis=(2, 3))
    return np.asarray(np.einsum("nchwij,kcij->nkhw", windows, weights.astype(np.int64)))


def _onnxruntime(codes: Codes, weights: Weights, factor: float) -> Codes:
    constants = {
        "one": np.float32(1),
        "zero": np.uint8(0),
        "weights": weights,
        "weight_scale": np.ones(len(weights), np.float32),
        "weight_zero": np.zeros(len(weights), np.int8),
        "scale": np.float32(1 / factor),
        "middle": np.uint8(_ZERO),
    }
    inputs = ["codes", "one", "zero", "weights", "weight_scale", "weight_zero", "scale", "middle"]
    graph = helper.make_graph(
        [helper.make_node("QLinearConv", inputs, ["sums"])],
        "products",
        [helper.make_tensor_value_info("codes", TensorProto.UINT8, list(codes.shape))],
        [helper.make_tensor_value_info("sums", TensorProto.UINT8, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    return np.asarray(one_thread_session(graph, _OPSET).run(None, {"codes": codes})[0])
