"""Compensated rounding: on the grid, better than the nearest code where inputs are correlated, the same where not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gdfq_export.plan import Role
from gdfq_export.simulator import Mode, Quantizer
from gdfq_export.tuning.rounding import input_moments, round_weights
from tests.simulator.test_quantizer import point

RANDOM = torch.Generator().manual_seed(0)


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=RANDOM)


def quantizer_for(weight: Tensor, bits: int = 4) -> Quantizer:
    made = Quantizer(point(role=Role.WEIGHT, signed=True, axis=0, bits=bits), weight.shape)
    made.set_scale(weight.abs().flatten(1).amax(dim=1) / made.code_max)
    made.mode = Mode.QUANTIZE
    return made


def nearest(weight: Tensor, quantizer: Quantizer) -> Tensor:
    with torch.no_grad():
        return quantizer(weight)


def test_moments_of_a_convolution_give_the_error_of_its_output() -> None:
    x, weight, change = normal(3, 4, 7, 6), normal(6, 2, 3, 3), normal(6, 2, 3, 3)
    settings = {"pads": (1, 0, 1, 2), "stride": (2, 1), "dilation": (1, 1), "groups": 2}
    moments = input_moments(x, weight, settings, RANDOM)
    output = functional.conv2d(functional.pad(x, (0, 2, 1, 1)), change, stride=(2, 1), groups=2)
    rows = change.reshape(2, 3, -1).double()
    predicted = torch.einsum("gok,gkl,gol->go", rows, moments, rows).flatten()
    torch.testing.assert_close(predicted.float(), output.square().mean(dim=(0, 2, 3)), rtol=1e-4, atol=1e-5)


def test_moments_of_a_matrix_product() -> None:
    x, change = normal(9, 4), normal(3, 4)
    (moments,) = input_moments(x, change, {}, RANDOM)
    rows = change.double()
    torch.testing.assert_close(((rows @ moments) * rows).sum(1).float(), (x @ change.T).square().mean(0))


@pytest.mark.parametrize("bits", [2, 4])
def test_correlated_inputs_lose_less_than_by_the_nearest_codes(bits: int) -> None:
    x, weight = normal(500, 3) @ normal(3, 24) + 0.1 * normal(500, 24), normal(8, 24)
    made = quantizer_for(weight, bits)
    rounded = round_weights(weight, input_moments(x, weight, {}, RANDOM), made)
    torch.testing.assert_close(nearest(rounded, made), rounded)
    wanted = x @ weight.T
    plain = (x @ nearest(weight, made).T - wanted).square().mean()
    assert float((x @ rounded.T - wanted).square().mean()) < 0.5 * float(plain)


def test_uncorrelated_inputs_get_the_nearest_codes() -> None:
    weight = normal(4, 2, 3, 3)
    made = quantizer_for(weight)
    moments = torch.diag(torch.rand(18, generator=RANDOM).double() + 0.5)[None]
    torch.testing.assert_close(round_weights(weight, moments, made), nearest(weight, made))


def test_dead_inputs_do_not_break_it() -> None:
    weight = normal(4, 6)
    assert torch.isfinite(round_weights(weight, torch.zeros(1, 6, 6).double(), quantizer_for(weight))).all()
