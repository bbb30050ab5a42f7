"""The best state of a training is left, and none that is worse than the start."""

from __future__ import annotations

import pytest
import torch

from gdfq_export.tuning.best_state import BestState
from tests.tuning.residual_network import simulator


@pytest.mark.parametrize(
    ("errors", "kept"),
    [
        ([1.0, 0.5, 0.2], 3),
        ([1.0, 0.2, 0.201], 3),  # the last one is as good as the best, within what a few images tell
        ([1.0, 0.2, 0.5], 2),
        ([3.0, 4.0, 2.0], 0),
        ([2.0], 0),
        ([1.999, 1.99, 1.998], 3),
        ([float("nan"), 0.5, float("nan")], 2),
        ([float("nan"), float("nan")], 0),
    ],
)
def test_the_state_of_the_least_error_is_left(errors: list[float], kept: int) -> None:
    network = simulator(3)
    states, best = [network.parameter("w").detach().clone()], BestState(network, 2.0)
    for step, error in enumerate(errors, start=1):
        with torch.no_grad():
            network.parameter("w").add_(1.0)
        states.append(network.parameter("w").detach().clone())
        best.offer(error, step)
    assert best.settle(errors[-1], len(errors)) == kept
    assert torch.equal(network.parameter("w"), states[kept])


def test_a_start_that_cannot_be_measured_is_left() -> None:
    network = simulator(3)
    best = BestState(network, float("nan"))
    best.offer(1.0, 1)
    assert best.settle(1.0, 1) == 0
