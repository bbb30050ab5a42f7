"""A training that is put back goes on as if it had never stopped."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from calib.checkpoints.training import Training


class _Run:
    """A training of ten steps on random numbers."""

    def __init__(self) -> None:
        self.random = torch.Generator().manual_seed(3)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
        optimizer = torch.optim.Adam(self.network.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
        self.training = Training({"network": self.network, "optimizer": optimizer, "schedule": schedule}, self.random)
        self._optimizer, self._schedule = optimizer, schedule

    def steps(self, first: int, last: int) -> None:
        for _ in range(first, last):
            loss = self.network(torch.randn(8, 4, generator=self.random)).square().sum()
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            self._schedule.step()

    def result(self) -> list[Tensor]:
        return [*self.network.state_dict().values(), torch.rand(3, generator=self.random)]


def test_a_restored_training_ends_with_the_same_bits() -> None:
    whole, first, second = _Run(), _Run(), _Run()
    whole.steps(0, 10)
    first.steps(0, 4)
    state = copy.deepcopy(first.training.state(4, loss=0.5))
    assert (second.training.restore(state), state["loss"]) == (4, 0.5)
    second.steps(4, 10)
    assert all(map(torch.equal, whole.result(), second.result()))
