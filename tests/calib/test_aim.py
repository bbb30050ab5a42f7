from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from calib.aim import ClassAim, NoAim, SpreadAim, output_shapes


def test_classes_are_aimed_at_with_cross_entropy() -> None:
    logits, labels = torch.tensor([[2.0, 0.0], [3.0, 1.0]], requires_grad=True), torch.tensor([0, 1])
    loss, figures = ClassAim(2).loss(logits, labels)
    assert loss == functional.cross_entropy(logits, labels) == figures["cross_entropy"]
    assert figures["agreement"] == 0.5
    loss.backward()
    assert logits.grad is not None


def test_scores_in_bfloat16_are_compared_in_float32() -> None:
    loss, _ = ClassAim(2).loss(torch.zeros(1, 2, dtype=torch.bfloat16), torch.tensor([0]))
    assert loss.dtype == torch.float32


@pytest.mark.parametrize("outputs", [torch.randn(3, 4), (torch.randn(3, 2), torch.randn(3, 4, 5, 5))])
def test_without_an_aim_nothing_is_added(outputs: torch.Tensor | tuple[torch.Tensor, ...]) -> None:
    loss, figures = NoAim().loss(outputs, torch.zeros(3, dtype=torch.int64))
    assert (loss, figures, NoAim.conditions) == (0, {}, 1)


def test_shapes_of_one_output_and_of_several() -> None:
    assert output_shapes(torch.zeros(2, 3)) == [(2, 3)]
    assert output_shapes((torch.zeros(2, 3), torch.zeros(2, 1, 4))) == [(2, 3), (2, 1, 4)]


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 5, 5), (6, 50, 4), (6, 4, 9)])
def test_outputs_are_stretched_whatever_their_rank(shape: tuple[int, ...]) -> None:
    outputs = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss, figures = SpreadAim().loss(outputs, torch.zeros(6, dtype=torch.int64))
    (gradient,) = torch.autograd.grad(loss, outputs)
    wider, _ = SpreadAim().loss(outputs - 0.1 * gradient / gradient.abs().max(), torch.zeros(6, dtype=torch.int64))
    assert wider < loss and loss == -figures["spread"]


def test_the_size_of_an_output_does_not_weigh() -> None:
    small, labels = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_(), torch.zeros(8)
    (alone,) = torch.autograd.grad(SpreadAim().loss(small, labels)[0], small)
    (scaled,) = torch.autograd.grad(SpreadAim().loss(1000 * small, labels)[0], small)
    torch.testing.assert_close(alone, scaled)


@pytest.mark.parametrize("outputs", [torch.zeros(1, 1), torch.zeros(4), torch.zeros(4, 3), torch.ones(4, 2).long()])
def test_outputs_without_spread_have_a_finite_loss(outputs: torch.Tensor) -> None:
    loss, _ = SpreadAim().loss(outputs, torch.zeros(len(outputs), dtype=torch.int64))
    assert torch.isfinite(loss)
