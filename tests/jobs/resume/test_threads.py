"""A small network is computed with one thread, unless the user says otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import gdfq_export as gq
from gdfq_export.jobs.resume import threads


@pytest.fixture(autouse=True)
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two threads, given back; nothing is said by the environment."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def threads_of(run: gq.RunContext) -> int:
    with threads.threads_for(run, gq.load()):
        inside = torch.get_num_threads()
    assert torch.get_num_threads() == 2
    return inside


def test_a_small_network_gets_one_thread_and_a_large_one_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads_of(gq.RunContext()) == 1
    monkeypatch.setattr(threads, "SMALL", 10**6)
    assert threads_of(gq.RunContext()) == 2


def test_the_user_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads_of(gq.RunContext(threads=2)) == 2
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert threads_of(gq.RunContext()) == 2
