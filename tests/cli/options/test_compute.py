"""Threads and device: what is asked for is used or refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from gdfq_export.cli.options.compute import use_compute
from gdfq_export.errors import BackendUnavailable


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("gpu", "asked", "given"), [(True, "auto", "cuda"), (True, "cpu", "cpu"), (False, "auto", "cpu")]
)
def test_auto_takes_a_gpu_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, gpu: bool, asked: str, given: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert use_compute(asked, None) == given


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BackendUnavailable, match="use --device cpu"):
        use_compute("cuda", None)


def test_threads_are_set() -> None:
    use_compute("cpu", 2)
    assert torch.get_num_threads() == 2
    use_compute("cpu", None)
    assert torch.get_num_threads() == 2
