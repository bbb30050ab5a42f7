"""The closed forms against numerical integration."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.tuning.dfq.rectified_normal import clipped, leaky

NUMBERS = st.floats(-5, 5)
STEPS = np.linspace(-9, 9, 20_001)
DENSITY = np.exp(-(STEPS**2) / 2) / math.sqrt(2 * math.pi) * (STEPS[1] - STEPS[0])


def tensors(*numbers: float) -> list[torch.Tensor]:
    return [torch.tensor([number], dtype=torch.float64) for number in numbers]


def integrated(values: np.ndarray) -> tuple[float, float]:
    mean = float((values * DENSITY).sum())
    return mean, math.sqrt(float(((values - mean) ** 2 * DENSITY).sum()))


@given(mean=NUMBERS, std=st.floats(0.05, 5), low=st.sampled_from([-math.inf, 0.0, -1.5]), width=st.floats(0.1, 9))
def test_a_clipped_normal(mean: float, std: float, low: float, width: float) -> None:
    for high in (math.inf, max(low, -2.0) + width):
        found = clipped(*tensors(mean, std), low, high)
        wanted = integrated(np.clip(mean + std * STEPS, low, high))
        assert [float(x) for x in found] == pytest.approx(wanted, abs=2e-3 * std)


@given(mean=NUMBERS, std=st.floats(0.05, 5), slope=st.floats(0, 1))
def test_a_leaky_normal(mean: float, std: float, slope: float) -> None:
    x = mean + std * STEPS
    found = leaky(*tensors(mean, std), slope)
    assert [float(y) for y in found] == pytest.approx(integrated(np.where(x > 0, x, slope * x)), abs=2e-3 * std)


def test_a_variable_that_does_not_vary() -> None:
    mean, std = clipped(*tensors(2.0, 0.0), 0.0, 1.5)
    assert (float(mean), float(std)) == (1.5, 0.0)
