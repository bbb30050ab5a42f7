from __future__ import annotations

import pytest
import torch
from torch import nn

from calib import BatchNormTap, bns_loss, has_batch_norm
from tests.calib.tiny_teacher import tiny_teacher


def one_layer(mean: float, variance: float) -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(2, eps=0.0).eval()
    assert layer.running_mean is not None and layer.running_var is not None
    layer.running_mean.fill_(mean)
    layer.running_var.fill_(variance)
    return layer


def test_moments_are_those_of_the_batch_norm_inputs() -> None:
    layer, images = one_layer(0.0, 1.0), torch.randn(5, 2, 3, 4)
    with BatchNormTap(layer) as tap:
        layer(images)
        ((seen, mean, variance),) = tap.moments()
    assert seen is layer
    torch.testing.assert_close(mean, images.mean((0, 2, 3)))
    torch.testing.assert_close(variance, images.var((0, 2, 3), correction=0))


def test_losses_by_hand() -> None:
    layer = one_layer(1.0, 4.0)
    images = torch.tensor([2.0, 8.0]).reshape(2, 1, 1, 1).repeat(1, 2, 1, 1)  # mean 5, variance 9, deviation 3
    with BatchNormTap(layer) as tap:
        layer(images)
        assert bns_loss(tap, normalized=True).item() == pytest.approx((4 / 2) ** 2 + (1 / 2) ** 2)
        assert bns_loss(tap, normalized=False).item() == pytest.approx(4**2 + 5**2)


def test_loss_is_zero_where_the_statistics_are_met_and_gradients_flow() -> None:
    images = torch.randn(64, 2, 4, 4, requires_grad=True)
    layer = one_layer(0.0, 1.0)
    layer.running_mean, layer.running_var = (
        images.mean((0, 2, 3)).detach(),
        images.var((0, 2, 3), correction=0).detach(),
    )
    with BatchNormTap(layer) as tap:
        layer(images)
        assert bns_loss(tap).item() < 1e-10
        layer(images * 1.5 + 1)
        bns_loss(tap).backward()
    assert images.grad is not None and images.grad.abs().sum() > 0


def test_normalised_loss_does_not_depend_on_units() -> None:
    images, losses = torch.randn(8, 2, 4, 4), []
    for unit in (1.0, 100.0):
        layer = one_layer(0.5 * unit, 2.0 * unit**2)
        with BatchNormTap(layer) as tap:
            layer(images * unit)
            losses.append(bns_loss(tap).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_hooks_are_gone_after_the_context() -> None:
    teacher = tiny_teacher()
    with BatchNormTap(teacher) as tap:
        teacher(torch.zeros(1, 3, 12, 12))
        assert len(tap.moments()) == 2
    teacher(torch.zeros(1, 3, 12, 12))
    assert tap.moments() == []
    with pytest.raises(ValueError, match="no BatchNorm layer"):
        bns_loss(tap)


def test_has_batch_norm() -> None:
    assert has_batch_norm(tiny_teacher())
    assert not has_batch_norm(tiny_teacher(batch_norm=False))
    assert not has_batch_norm(nn.BatchNorm2d(3, track_running_stats=False))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.BatchNorm1d(2), (9, 2)), (nn.BatchNorm1d(2), (4, 2, 6)), (nn.BatchNorm3d(2), (2, 2, 3, 4, 5))],
)
def test_inputs_may_have_any_rank(layer: nn.Module, shape: tuple[int, ...]) -> None:
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with BatchNormTap(layer.eval()) as tap:
        layer(images)
        ((_, mean, variance),) = tap.moments()
    flat = images.movedim(1, 0).flatten(1)
    torch.testing.assert_close(mean, flat.mean(1))
    torch.testing.assert_close(variance, flat.var(1, correction=0))
