"""Work in this process and on Dask: all of it is done, defects are told, and a worker that dies loses only its own."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from gdfq_export.errors import BackendUnavailable
from gdfq_export.jobs.cluster.run_work import run_work
from gdfq_export.jobs.cluster.work import Cluster, Functions, Work, local_workers, memory_for


def halved(argument: tuple[Path, int]) -> int:
    """Half of an even number; each try leaves a file. 100 kills its worker the first time."""
    folder, number = argument
    tries = len(list(folder.glob(f"{number}-*")))
    (folder / f"{number}-{tries}").touch()
    if number == 100 and not tries:
        os.kill(os.getpid(), signal.SIGKILL)
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number // 2


def prepared(argument: tuple[Path, int]) -> None:
    (argument[0] / f"prepared-{os.getpid()}").touch()


FUNCTIONS = Functions(run=halved, prepare=prepared)


def work(folder: Path, *numbers: int) -> list[Work]:
    return [Work(key=str(number), argument=(folder, number), shared="net") for number in numbers]


def test_here(tmp_path: Path) -> None:
    done = list(run_work(FUNCTIONS, work(tmp_path, 2, 3, 4), Cluster(workers=1)))
    assert [each.value for each in done] == [1, None, 2]
    assert isinstance(done[1].error, ValueError)


def test_no_work_needs_no_cluster() -> None:
    assert list(run_work(FUNCTIONS, [], Cluster(scheduler="tcp://127.0.0.1:9"))) == []


def test_two_processes_one_of_which_is_killed(tmp_path: Path) -> None:
    numbers = (2, 3, 4, 6, 100)
    cluster = Cluster(workers=2, retries=0)
    done = {each.work.key: each for each in run_work(FUNCTIONS, work(tmp_path, *numbers), cluster)}
    assert {key: each.value for key, each in done.items()} == {"2": 1, "3": None, "4": 2, "6": 3, "100": 50}
    assert "3 is odd" in str(done["3"].error)
    assert len(list(tmp_path.glob("100-*"))) == 2
    assert list(tmp_path.glob("prepared-*"))


def test_a_scheduler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gdfq_export.jobs.cluster.run_work._CONNECT_SECONDS", 1)
    with pytest.raises(BackendUnavailable, match="no Dask scheduler answers at tcp:"):
        list(run_work(FUNCTIONS, work(Path(), 2), Cluster(scheduler="tcp://127.0.0.1:9")))


def test_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(BackendUnavailable, match=r"pip install 'gdfq-export\[fleet\]'") as caught:
        list(run_work(FUNCTIONS, work(Path(), 2, 4), Cluster(workers=2)))
    assert caught.value.exit_code == 3


def test_workers_follow_cores_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [Work(key=str(number), argument=None) for number in range(100)]
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setattr("gdfq_export.jobs.cluster.work.free_memory", lambda: 64e9)
    assert local_workers(many, None) == 8 and local_workers(many, 3) == 3 and local_workers(many[:2], None) == 2
    large = [*many, Work(key="large", argument=None, memory=memory_for(700_000_000))]
    assert local_workers(large, None) == 2
    assert local_workers([*many, Work(key="wide", argument=None, cores=4)], None) == 2
    monkeypatch.setattr("gdfq_export.jobs.cluster.work.free_memory", lambda: 1e8)
    assert local_workers(many, None) == 1
