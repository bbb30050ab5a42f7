"""A process that runs models on one CPU for this one (`worker.py`), started when it is first asked."""

from __future__ import annotations

import os
import pickle
import subprocess
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gdfq_export.errors import BackendUnavailable

WORKER = Path(__file__).with_name("worker.py")
REQUEST_SECONDS = 1800.0
"""That one request may take: some hundred times what a batch of common networks needs."""

_SETTINGS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1", "PYTHONNOUSERSITE": "1"}
_LEFT_OUT = ("PYTHON", "OPENBLAS_", "LD_", "QEMU_")  # variables of this machine's libraries, or of its Python


class RequestRefused(Exception):
    """The worker could not do what it was asked; the message is the runtime's."""


class WorkerProcess:
    """One worker; a request waits for its answer, and requests of several threads wait for each other.

    Args:
        command: Python with what emulates it; the worker's file is added.
        where: what messages call it: `the emulated cortex-a53`.
        environment: variables to set besides.

    Attributes:
        seconds: that one request may take, from the start of the process on where it is the first.
    """

    seconds = REQUEST_SECONDS

    def __init__(self, command: Sequence[str], where: str, environment: Mapping[str, str]) -> None:
        self._command = [*command, "-P", str(WORKER)]  # modules beside the worker do not shadow those of packages
        self._where = where
        self._environment = environment
        self._lock = threading.Lock()
        self._released: deque[int] = deque()
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    def request(self, action: str, *arguments: Any, file: str = "") -> Any:
        """What the worker's function `action` returns; `file` is the model's name for messages.

        Raises:
            RequestRefused: it raised an error.
            BackendUnavailable: the process does not start, ended, or was ended since it did not answer in time.
        """
        with self._lock:
            process = self._process or self._start()
            assert process.stdin is not None and process.stdout is not None
            try:
                with _killed_after(self.seconds, process) as killed:
                    pickle.dump((action, arguments, [*self._take_released()]), process.stdin, protocol=5)
                    process.stdin.flush()
                    done, result = pickle.load(process.stdout)
            except (OSError, EOFError, pickle.UnpicklingError) as error:
                ended = self._ended(process)
                raise BackendUnavailable(self._too_slow(file) if killed.is_set() else ended) from error
            except BaseException:  # interrupted between request and answer: the next answer would be of this request
                self._forget(process)
                raise
        if not done:
            raise RequestRefused(result)
        return result

    def release(self, number: int) -> None:
        """Free the loaded model `number` with the next request; safe to call at any time."""
        self._released.append(number)

    def _take_released(self) -> Iterator[int]:
        while self._released:
            yield self._released.popleft()

    def _start(self) -> subprocess.Popen[bytes]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # read when the process has ended
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**kept, **_SETTINGS, **self._environment},
            )
        except OSError as error:
            raise BackendUnavailable(
                f"{self._where} does not start: {error.strerror or error}; install it again with gdfq-export emulator "
                "install"
            ) from error
        self._process = process
        weakref.finalize(self, _close, process)
        return process

    def _ended(self, process: subprocess.Popen[bytes]) -> str:
        """Why the process ended, as a sentence; the next request starts another."""
        self._forget(process)
        code = process.returncode
        said = ""
        if self._errors is not None:
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
            said = " / ".join([line for line in lines if "TCG doesn't support" not in line][-2:])
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return (
            f"{self._where} ended with {how} ({said or 'it printed nothing'}); free memory and run again, or install "
            "it again with gdfq-export emulator install"
        )

    def _too_slow(self, file: str) -> str:
        asked = f" on {file}" if file else ""
        return (
            f"{self._where} did not answer within {self.seconds:,.4g} s{asked} and was ended; run again with more "
            "--cpu-seconds, or with --cpu-images 1"
        )

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        self._process = None
        _close(process)


@contextmanager
def _killed_after(seconds: float, process: subprocess.Popen[bytes]) -> Iterator[threading.Event]:
    """Kill the process if the block takes longer, which then reads its end; the event says whether that happened."""
    killed = threading.Event()

    def kill() -> None:
        killed.set()
        process.kill()

    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()
    try:
        yield killed
    finally:
        timer.cancel()


def _close(process: subprocess.Popen[bytes]) -> None:
    """End the process, which waits for a request or is not wanted any more."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:  # what was not sent cannot be sent any more
                continue
    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
