"""Runs readers on inputs in forked processes with limits of memory and time; says what became of each input.

A fault is whatever a user should never meet: an exception that is no refusal, a refusal that does not name the file or
is longer than 2,000 characters, more than 4 GiB, more than 60 s of CPU time, the end of the process, a program that
was started, a file that was opened outside the input's folder.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from bench.fuzz.readers import Reader
from calib.errors import DataError
from gdfq_export.errors import GdfqExportError

MOST_MEMORY = 4 << 30
MOST_SECONDS = 60
LONGEST_MESSAGE = 2_000
_STARTS = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "socket.connect", "ctypes.dlopen")
_FORBIDDEN = ("/etc/passwd",)


def outcomes(reader: Reader, seeds: Sequence[int]) -> Iterator[tuple[int, str]]:
    """What became of the input of each seed: `read`, `refused`, or the fault as text."""
    waiting = list(seeds)
    while waiting:
        done = 0
        for seed, outcome in _in_process(reader, waiting):
            done += 1
            yield seed, outcome
        waiting = waiting[done:]


def mutated(reader: Reader, seed: int) -> bytes:
    """The input of a seed."""
    return reader.mutate(reader.sound(), Random(seed))


def _in_process(reader: Reader, seeds: Sequence[int]) -> Iterator[tuple[int, str]]:
    reader.sound()  # before the fork, so that it is made once
    receiving, sending = os.pipe()
    child = os.fork()
    if not child:
        _serve(reader, seeds, receiving, sending)
    os.close(sending)
    answered = 0
    with os.fdopen(receiving, encoding="utf-8", errors="replace") as answers:
        for line in answers:
            yield seeds[answered], line.rstrip("\n")
            answered += 1
    _, status = os.waitpid(child, 0)
    if answered < len(seeds):
        ended = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit {status >> 8}"
        yield seeds[answered], f"the process ended ({'more than 60 s' if ended in ('SIGPROF', 'SIGALRM') else ended})"


def _serve(reader: Reader, seeds: Sequence[int], receiving: int, sending: int) -> None:
    """Read all inputs and write a line for each; never returns."""
    try:
        os.close(receiving)
        faulthandler.disable()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        for number in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        with open("/proc/self/statm", encoding="ascii") as stream:
            most = int(stream.read().split()[0]) * os.sysconf("SC_PAGESIZE") + MOST_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        watched: list[str] = []
        sys.addaudithook(lambda event, arguments: _watch(event, arguments, watched))
        with tempfile.TemporaryDirectory() as folder, os.fdopen(sending, "w", encoding="utf-8") as answers:
            for seed in seeds:
                signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
                signal.alarm(MOST_SECONDS * 20)
                path = Path(folder) / reader.name
                path.write_bytes(mutated(reader, seed))
                watched.clear()
                outcome = _read(reader, path)
                signal.setitimer(signal.ITIMER_PROF, 0)
                answers.write(f"{watched[0] if watched else outcome}\n")
                answers.flush()
    except BaseException:
        os._exit(1)
    os._exit(0)


def _read(reader: Reader, path: Path) -> str:
    try:
        reader.read(path)
    except (GdfqExportError, DataError) as error:
        return _refusal(str(error), getattr(error, "exit_code", 2), path)
    except BaseException as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        return f"{type(error).__name__} at {where}: {' '.join(str(error).split())[:200]}"
    return "read"


def _refusal(message: str, exit_code: int, path: Path) -> str:
    if exit_code not in (1, 2, 3):
        return f"exit code {exit_code}: {' '.join(message.split())[:200]}"
    if len(message) >= LONGEST_MESSAGE:
        return f"a message of {len(message):,} characters: {' '.join(message.split())[:80]}"
    return "refused" if path.name in message or str(path.parent) in message else f"no file named: {message[:200]!r}"


def _watch(event: str, arguments: tuple[Any, ...], watched: list[str]) -> None:
    if event in _STARTS:
        watched.append(f"started {event} {arguments!r}"[:200])
    if event == "open" and str(arguments[0]) in _FORBIDDEN:
        watched.append(f"opened {arguments[0]}")
