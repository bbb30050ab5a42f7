from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gdfq_export.errors import BackendUnavailable
from gdfq_export.runtimes.emulation import process as module
from gdfq_export.runtimes.emulation.process import RequestRefused, WorkerProcess


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkerProcess:
    """A worker of its own kind: it doubles numbers, ends or hangs when told to, and refuses everything else."""
    script = tmp_path / "worker.py"
    script.write_text(
        "import os, pickle, sys, threading\n"
        "while True:\n"
        "    try: action, arguments, released = pickle.load(sys.stdin.buffer)\n"
        "    except EOFError: break\n"
        "    if action == 'end': sys.exit('qemu: out of memory')\n"
        "    if action == 'hang': threading.Event().wait()\n"
        "    if action == 'double': answer = True, 2 * arguments[0]\n"
        "    elif action == 'variable': answer = True, os.environ.get(arguments[0])\n"
        "    elif action == 'released': answer = True, released\n"
        "    else: answer = False, 'unknown'\n"
        "    pickle.dump(answer, sys.stdout.buffer)\n"
        "    sys.stdout.buffer.flush()\n"
    )
    monkeypatch.setattr(module, "WORKER", script)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    return WorkerProcess([sys.executable], "ONNX Runtime on cortex-a53", {"PYTHONPATH": "/packages"})


def test_answers_come_one_by_one_from_one_process(worker: WorkerProcess) -> None:
    assert [worker.request("double", number) for number in (1, 2, 3)] == [2, 4, 6]


def test_variables_of_this_machines_libraries_are_left_out(worker: WorkerProcess) -> None:
    assert worker.request("variable", "OPENBLAS_CORETYPE") is None
    assert worker.request("variable", "PYTHONPATH") == "/packages"
    assert worker.request("variable", "OMP_NUM_THREADS") == "1"


def test_models_that_are_not_needed_are_named_once_with_the_next_request(worker: WorkerProcess) -> None:
    worker.release(4)
    worker.release(7)
    assert worker.request("released") == [4, 7]
    assert worker.request("released") == []


def test_an_error_of_the_worker_is_raised_here(worker: WorkerProcess) -> None:
    with pytest.raises(RequestRefused, match="unknown"):
        worker.request("what")
    assert worker.request("double", 4) == 8


def test_a_process_that_ended_says_why_and_the_next_request_starts_another(worker: WorkerProcess) -> None:
    with pytest.raises(BackendUnavailable, match=r"cortex-a53 ended with exit code 1 \(qemu: out of memory\)"):
        worker.request("end")
    assert worker.request("double", 5) == 10


def test_a_process_that_does_not_answer_is_ended_and_the_next_request_starts_another(worker: WorkerProcess) -> None:
    allowed, worker.seconds = worker.seconds, 0.25
    with pytest.raises(
        BackendUnavailable,
        match=r"cortex-a53 did not answer within 0\.25 s on q\.onnx and was ended; run again with more --cpu-seconds",
    ):
        worker.request("hang", file="q.onnx")
    worker.seconds = allowed
    assert worker.request("double", 6) == 12


def test_the_process_ends_with_its_owner() -> None:
    owner = WorkerProcess([sys.executable], "ONNX Runtime on native", {"PYTHONPATH": os.pathsep.join(sys.path)})
    owner.request("versions")
    started = owner._process
    assert started is not None
    del owner
    assert started.returncode == 0
