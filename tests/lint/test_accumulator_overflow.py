"""Sums that 16 or 32 bits cannot hold are named, and only those: held against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.lint import check
from gdfq_export.support.finding import Consequence
from gdfq_export.targets import find_target
from tests.qdq.qdq_files import ARRAYS, file


def saturating(model_target: str, **arrays: np.ndarray) -> list[tuple[str, str]]:
    return [
        (each.node, each.message)
        for each in check(file(**arrays), find_target(model_target))
        if each.rule == "weights saturate"
    ]


@given(pair=st.tuples(*[st.integers(-128, 127)] * 2))
def test_two_products_saturate_exactly_where_their_sum_leaves_16_bits(pair: tuple[int, int]) -> None:
    weights = np.zeros((8, 8, 3, 3), np.int8)
    weights[2, 0, 0, :2] = pair
    sums = [a * pair[0] + b * pair[1] for a in (0, 255) for b in (0, 255)]
    expected = max(sums) > 2**15 - 1 or min(sums) < -(2**15)
    small = {name: (ARRAYS[name] // 4).astype(np.int8) for name in ("w_q", "g_q")}
    found = saturating("ort-cpu-avx2", v_q=weights, **small)
    assert bool(found) == expected
    if expected:
        assert found[0][0] == "Conv_e" and "1 of 8 channels" in found[0][1]


def test_targets_whose_cpu_adds_in_32_bits_are_not_bothered() -> None:
    assert saturating("ort-cpu") == []
    assert {node for node, _ in saturating("ort-cpu-avx2")} == {"Conv_c", "Conv_e", "Gemm_y"}


@pytest.mark.parametrize(("limit", "found"), [(63, []), (127, ["Conv_c", "Conv_e", "Gemm_y"])])
def test_seven_bits_never_saturate(limit: int, found: list[str]) -> None:
    weights = {name: np.full(ARRAYS[name].shape, limit, np.int8) for name in ("w_q", "v_q", "g_q")}
    assert [node for node, _ in saturating("ort-cpu-avx2", **weights)] == found


def test_a_bias_that_overflows_int32_is_wrong() -> None:
    found = check(file(d_q=np.full(8, 2**31 - 1000, np.int32)), find_target("ort-cpu"))
    assert [(each.rule, each.node, each.consequence) for each in found] == [
        ("sum overflows", "Conv_e", Consequence.WRONG)
    ]
    assert "8 of 8 channels" in found[0].message
