"""Saturating kernels are found out, exact ones are not, and ONNX Runtime here is one or the other in a second."""

from __future__ import annotations

import numpy as np

from gdfq_export.runtimes.environment.product_exactness import Codes, Weights, measure_products


def convolve(codes: Codes, weights: Weights, factor: float, *, saturate: bool) -> Codes:
    """As `vpmaddubsw` does where it saturates: two products, of neighbouring channels, are added in 16 bits."""
    windows = np.lib.stride_tricks.sliding_window_view(codes.astype(np.int64), (3, 3), axis=(2, 3))
    products = np.einsum("nchwij,kcij->nkhwijc", windows, weights.astype(np.int64))
    pairs = products.reshape(*products.shape[:-1], -1, 2).sum(axis=-1)
    sums = (np.clip(pairs, -(2**15), 2**15 - 1) if saturate else pairs).sum(axis=(4, 5, 6))
    return np.clip(np.rint(sums.astype(np.float32) * np.float32(factor)) + 128, 0, 255).astype(np.uint8)


def test_16_bits_are_found_out_with_8_bit_weights_and_not_with_7() -> None:
    eight, seven = measure_products(lambda *arguments: convolve(*arguments, saturate=True))
    assert (eight.bits, seven.bits) == (8, 7)
    assert not eight.exact and eight.wrong > eight.of // 2
    assert seven.exact


def test_exact_products_are_exact() -> None:
    assert [each.wrong for each in measure_products(lambda *arguments: convolve(*arguments, saturate=False))] == [0, 0]


def test_onnx_runtime_multiplies_seven_bits_exactly_on_any_cpu() -> None:
    _, seven = measure_products()
    assert seven.exact and seven.of > 1000
    assert seven.seconds < 1
