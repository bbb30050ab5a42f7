"""The installed emulator: finds it, and runs models on the CPUs it emulates."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import onnxruntime

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.runtimes.base import Array
from gdfq_export.runtimes.emulation.cpus import Cpu, find_cpu
from gdfq_export.runtimes.emulation.loaded_model import LoadedModel
from gdfq_export.runtimes.emulation.process import RequestRefused, WorkerProcess
from gdfq_export.runtimes.session import first_line, where

MARKER = "emulator.json"
FORMAT = 1
REMEDY = "gdfq-export emulator install"
_FOLDER = "GDFQ_EXPORT_EMULATOR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run of one model: its bytes, arrays by input name, and the outputs to return (none: all)."""

    model: bytes
    feeds: Mapping[str, Array]
    output_names: Sequence[str] = ()


class Emulator:
    """An installed emulator; a process for each CPU is started at first use and ends with this one.

    Args:
        folder: what `gdfq-export emulator install` wrote.

    Example:
        >>> emulator = Emulator.find()
        >>> emulator.run("cortex-a53", model, {"image": images})  # doctest: +SKIP
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._workers: dict[str, WorkerProcess] = {}

    @staticmethod
    def find() -> Emulator | None:
        """The emulator of this machine, the same one in every call; None where it cannot be used."""
        try:
            return Emulator.require()
        except BackendUnavailable:
            return None

    @staticmethod
    def require() -> Emulator:
        """The emulator of this machine, the same one in every call.

        Raises:
            BackendUnavailable: it is not installed, or holds another release of ONNX Runtime than this Python.
        """
        folder = default_folder()
        require_installed(folder)
        return _opened(folder)

    def run(self, cpu: str, model: bytes, feeds: Mapping[str, Array], output_names: Sequence[str] = ()) -> list[Array]:
        """The outputs of an ONNX file as ONNX Runtime computes them on `cpu`, on one thread.

        Args:
            cpu: a name of `CPUS`.
            model: the file's bytes.
            feeds: arrays by input name.
            output_names: which outputs; none: all.

        Raises:
            InputError: there is no such CPU, or ONNX Runtime does not accept the file or the arrays.
            BackendUnavailable: the emulated process does not start, or ended.
        """
        return self.run_many(cpu, [Job(model=model, feeds=feeds, output_names=output_names)])[0]

    def run_many(self, cpu: str, jobs: Iterable[Job]) -> list[list[Array]]:
        """The outputs of each job, in one process; raises what `run` does."""
        worker, results = self.worker(cpu), []
        for job in jobs:
            try:
                results.append(LoadedModel(worker, job.model, file=where(job.model)).run(job.output_names, job.feeds))
            except RequestRefused as error:
                raise InputError(
                    f"{where(job.model)}: ONNX Runtime on {cpu} does not run it: {first_line(error)}"
                ) from error
        return results

    def versions(self, cpu: str) -> dict[str, str]:
        """The machine, and the versions of onnxruntime and numpy, that the process of this CPU sees; starts it."""
        found: dict[str, str] = self.worker(cpu).request("versions")
        return found

    def worker(self, cpu: str) -> WorkerProcess:
        """The process of this CPU.

        Raises:
            InputError: there is no such CPU.
        """
        chosen = find_cpu(cpu)
        if cpu not in self._workers:
            command, environment = self.command(chosen)
            self._workers[cpu] = WorkerProcess(command, f"ONNX Runtime on {cpu}", environment)
        return self._workers[cpu]

    def command(self, cpu: Cpu) -> tuple[list[str], dict[str, str]]:
        """Python for this CPU, and the variable that says where its packages are: numpy and onnxruntime alone."""
        qemu = [str(self.folder / "qemu" / f"qemu-{cpu.architecture}"), "-cpu", cpu.model]
        if cpu.architecture == "aarch64":
            root = str(self.folder / "cpus" / cpu.name)
            python = str(self.folder / "root" / "usr" / "bin" / "python3.11")
            return [*qemu, "-L", root, python], {"PYTHONPATH": str(self.folder / "packages")}
        own = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        return ([*qemu, sys.executable] if cpu.architecture == "x86_64" else [sys.executable]), own


def default_folder() -> Path:
    """The folder that the variable GDFQ_EXPORT_EMULATOR names, else one among the user's cached files."""
    if named := os.environ.get(_FOLDER):
        return Path(named).absolute()
    cached = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cached) / "gdfq-export" / "emulator"


def require_system() -> None:
    """Do nothing where the emulator can run.

    Raises:
        BackendUnavailable: this is no x86-64 Linux.
    """
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise BackendUnavailable(
            f"other CPUs are emulated on x86-64 Linux only, and this is {platform.system()} {platform.machine()}; run "
            "gdfq-export there, or name the CPU native alone"
        )


def require_installed(folder: Path) -> dict[str, Any]:
    """What the emulator in `folder` says of itself.

    Raises:
        BackendUnavailable: there is none, or it holds another release of ONNX Runtime than this Python.
    """
    require_system()
    try:
        facts: dict[str, Any] = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackendUnavailable(f"the emulator of other CPUs is not installed in {folder}; run {REMEDY}") from error
    here = onnxruntime.__version__
    if facts.get("format") != FORMAT or facts.get("onnxruntime") != here:
        raise BackendUnavailable(
            f"the emulator in {folder} holds onnxruntime {facts.get('onnxruntime')}, and this Python has {here}; run "
            f"{REMEDY} again"
        )
    return facts


@cache
def _opened(folder: Path) -> Emulator:
    return Emulator(folder)
