"""Shares of a batch, for processes that are made up, and putting them together with gradients."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from calib.parallel.gradients import gathered, shared_mean, shared_moments, with_shared_norms
from calib.parallel.processes import ALONE, Processes
from tests.several_processes import run_in


class _Rank(Processes):
    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size


def test_one_process_has_everything_and_nothing_is_copied() -> None:
    share, batch = ALONE.share(5), torch.rand(5, 2)
    assert share.take(batch) is batch and share.gather(batch) is batch and gathered(batch, share) is batch
    assert share.weight == 1.0 and share.part(1, 3)[1] == slice(1, 3)
    assert ALONE.total(batch) is batch and ALONE.from_first(lambda: 3) == 3 and ALONE.all_of(3) == [3]


@pytest.mark.parametrize(("count", "size"), [(5, 2), (4, 4), (8, 3)])
def test_every_row_has_one_owner(count: int, size: int) -> None:
    shares = [_Rank(rank, size).share(count) for rank in range(size)]
    rows = torch.cat([share.take(torch.arange(count)) for share in shares])
    assert rows.sort().values.tolist() == list(range(count))
    assert sum(share.weight for share in shares) == pytest.approx(1)


def test_a_part_is_where_its_rows_are() -> None:
    whole = torch.arange(10)
    for rank in range(3):
        share = _Rank(rank, 3).share(10)
        part, where = share.part(4, 9)
        assert share.take(whole)[where].tolist() == part.take(whole[4:9]).tolist()
        tokens = share.of_length(2 * len(share.rows))
        assert len(tokens) == 20 and tokens.take(torch.arange(20)).tolist() == [
            row for image in share.rows.tolist() for row in (2 * image, 2 * image + 1)
        ]


def test_every_process_has_all_of_a_batch_that_is_too_small() -> None:
    share, batch = _Rank(2, 4).share(3), torch.rand(3, 2)
    assert share.take(batch) is batch and share.processes is ALONE


def _gradients(processes: Processes) -> dict[str, Tensor]:
    torch.manual_seed(3)
    inputs, factor = torch.randn(6, 2, 3, 3).double(), torch.nn.Parameter(torch.ones(()).double())
    norm = nn.Sequential(nn.Conv2d(2, 4, 1), nn.BatchNorm2d(4, momentum=None), nn.Conv2d(4, 2, 1)).double()
    share = processes.share(len(inputs))
    with_shared_norms(norm.train(), share)
    own = norm(share.take(inputs) * factor)
    whole = gathered(own, share)
    variance, mean = torch.var_mean(own, dim=(0, 2, 3), correction=0)
    ((mean, variance),) = shared_moments([(mean, variance)], share)
    loss = whole.std(dim=0).sum() + (mean * variance).sum() + shared_mean(own.square().mean(), share)
    loss.backward()
    parameters = [factor, *norm.parameters()]
    processes.add_gradients(parameters)
    gradients = torch.cat([parameter.grad.flatten() for parameter in parameters if parameter.grad is not None])
    statistics = torch.cat([value.flatten().double() for value in norm[1].buffers()])
    return {"loss": loss.detach(), "mean": mean.detach(), "gradients": gradients, "statistics": statistics,
            "gathered": whole.detach(), "again": share.gather(share.take(inputs))}  # fmt: skip


@pytest.mark.parametrize("size", [2, 4])
def test_gradients_are_those_of_the_whole_batch(size: int, tmp_path: Path) -> None:
    (wanted,) = run_in(1, _gradients, tmp_path)
    for found in run_in(size, _gradients, tmp_path):
        assert torch.equal(found["again"], wanted["again"])
        for name, value in wanted.items():
            torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-12, msg=lambda text, of=name: of + text)
