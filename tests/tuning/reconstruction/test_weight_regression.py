from __future__ import annotations

import pytest
import torch

from gdfq_export.tuning.reconstruction.second_moments import LayerMoments, mean_moments, observe_layer
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


def sets(x: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor) -> list[LayerMoments]:
    """Moments of four sets of inputs."""
    return [moments(*part, weight) for part in zip(x.chunk(4), wanted.chunk(4), strict=True)]


@pytest.fixture
def weight() -> torch.Tensor:
    return torch.randn(OUTPUTS, INPUTS, generator=torch.Generator().manual_seed(1))


def test_few_noisy_inputs_leave_the_weights_nearly_as_they_are(weight: torch.Tensor) -> None:
    seen = moments(*observed(30, noise=20.0, weight=weight, seed=2), weight)
    unseen = sets(*observed(1000, noise=20.0, weight=weight, seed=3), weight)
    ridge = choose_ridge(weight, seen, unseen)
    assert ridge >= 10.0
    assert (refit_weights(weight, seen, ridge) - weight).norm() < (refit_weights(weight, seen, 0.1) - weight).norm() / 4


def test_many_clean_inputs_are_followed(weight: torch.Tensor) -> None:
    seen = moments(*observed(3000, noise=0.1, weight=weight, seed=2, gain=0.5), weight)
    unseen = sets(*observed(1000, noise=0.1, weight=weight, seed=3, gain=0.5), weight)
    assert choose_ridge(weight, seen, unseen) == RIDGES[0]


@pytest.mark.parametrize("count", [30, 3000])
def test_the_ridge_chosen_is_the_largest_within_a_standard_error_of_the_best(count: int, weight: torch.Tensor) -> None:
    x, wanted = observed(count, noise=1.0, weight=weight, seed=4, gain=0.9)
    rest, outputs = observed(1000, noise=1.0, weight=weight, seed=5, gain=0.9)
    seen = moments(x, wanted, weight)

    def errors(ridge: float) -> torch.Tensor:
        fitted = refit_weights(weight, seen, ridge)
        return torch.stack(
            [(a @ fitted.T - b).square().sum() for a, b in zip(rest.chunk(4), outputs.chunk(4), strict=True)]
        )

    found = [errors(ridge) for ridge in RIDGES]
    best = min(found, key=lambda error: float(error.mean()))
    within = [float((error - best).mean()) <= float((error - best).std()) / 2 + 1e-3 for error in found]
    assert choose_ridge(weight, seen, sets(rest, outputs, weight)) == max(
        ridge for ridge, good in zip(RIDGES, within, strict=True) if good
    )


def test_a_gain_on_one_set_of_images_alone_is_not_followed(weight: torch.Tensor) -> None:
    seen = moments(*observed(60, noise=0.1, weight=weight, seed=2, gain=0.5), weight)
    like = moments(*observed(300, noise=0.1, weight=weight, seed=3, gain=0.5), weight)
    unlike = [moments(*observed(300, noise=0.1, weight=weight, seed=seed, gain=1.2), weight) for seed in (4, 5)]
    assert choose_ridge(weight, seen, [like, like, like, like]) == RIDGES[0]
    assert choose_ridge(weight, seen, [like, like, *unlike]) > RIDGES[0]


def test_mean_moments_are_those_of_all_inputs(weight: torch.Tensor) -> None:
    x, wanted = observed(40, noise=1.0, weight=weight, seed=6)
    both = moments(x, wanted, weight)
    mixed = mean_moments([moments(x[:30], wanted[:30], weight), moments(x[30:], wanted[30:], weight)], [0.75, 0.25])
    assert mixed.products is not None and both.products is not None
    torch.testing.assert_close(mixed.inputs, both.inputs)
    torch.testing.assert_close(mixed.products, both.products)
