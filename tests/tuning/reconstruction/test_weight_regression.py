from __future__ import annotations

import pytest
import torch

from gdfq_export.tuning.reconstruction.second_moments import LayerMoments, mixed_moments, observe_layer
from gdfq_export.tuning.reconstruction.weight_regression import RIDGES, choose_ridge, refit_weights

INPUTS, OUTPUTS = 40, 6


def observed(
    count: int, *, noise: float, weight: torch.Tensor, seed: int, gain: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs [count, INPUTS] and `gain` times what the layer gives for them, with noise [count, OUTPUTS]."""
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(count, INPUTS, generator=random)
    return x, gain * x @ weight.T + noise * torch.randn(count, OUTPUTS, generator=random)


def moments(x: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor) -> LayerMoments:
    return observe_layer(x, wanted, weight, {}, torch.Generator().manual_seed(0), centred=False)


@pytest.fixture
def weight() -> torch.Tensor:
    return torch.randn(OUTPUTS, INPUTS, generator=torch.Generator().manual_seed(1))


def test_few_noisy_inputs_leave_the_weights_nearly_as_they_are(weight: torch.Tensor) -> None:
    seen = moments(*observed(30, noise=20.0, weight=weight, seed=2), weight)
    unseen = moments(*observed(1000, noise=20.0, weight=weight, seed=3), weight)
    ridge = choose_ridge(weight, seen, unseen)
    assert ridge >= 10.0
    assert (refit_weights(weight, seen, ridge) - weight).norm() < (refit_weights(weight, seen, 0.1) - weight).norm() / 4


def test_many_clean_inputs_are_followed(weight: torch.Tensor) -> None:
    seen = moments(*observed(3000, noise=0.1, weight=weight, seed=2, gain=0.5), weight)
    unseen = moments(*observed(1000, noise=0.1, weight=weight, seed=3, gain=0.5), weight)
    assert choose_ridge(weight, seen, unseen) == RIDGES[0]


@pytest.mark.parametrize("count", [30, 3000])
def test_the_ridge_chosen_has_the_least_error_on_inputs_that_were_not_fitted(count: int, weight: torch.Tensor) -> None:
    x, wanted = observed(count, noise=1.0, weight=weight, seed=4, gain=0.9)
    rest, outputs = observed(1000, noise=1.0, weight=weight, seed=5, gain=0.9)
    seen, unseen = moments(x, wanted, weight), moments(rest, outputs, weight)

    def error(ridge: float) -> float:
        return float((rest @ refit_weights(weight, seen, ridge).T - outputs).square().sum())

    chosen = choose_ridge(weight, seen, unseen)
    assert error(chosen) == pytest.approx(min(error(ridge) for ridge in RIDGES), rel=1e-5)


def test_mixed_moments_are_those_of_all_inputs(weight: torch.Tensor) -> None:
    x, wanted = observed(40, noise=1.0, weight=weight, seed=6)
    both = moments(x, wanted, weight)
    mixed = mixed_moments(moments(x[:30], wanted[:30], weight), moments(x[30:], wanted[30:], weight), 0.75)
    assert mixed.products is not None and both.products is not None
    torch.testing.assert_close(mixed.inputs, both.inputs)
    torch.testing.assert_close(mixed.products, both.products)
