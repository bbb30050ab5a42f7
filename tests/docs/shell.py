"""Runs the statements of a page: a real shell takes them apart, the programs that it calls are run in this process.

The shell finds recorders in place of the programs, so that quotes, loops and variables are its own; each call is then
run here, where torch is loaded once. A container is a folder here: what `docker run` starts is run without Docker.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import torch
from click.testing import CliRunner

from gdfq_export.cli.main import cli
from gdfq_export.errors import BackendUnavailable
from gdfq_export.runtimes.emulation import Emulator
from tests.docs.pages import ROOT, Statement

__all__ = ["ENGINE", "NOT_RUN", "Failed", "Shell"]

ENGINE = "model.plan"

NOT_RUN = {
    "make test": "it is what runs this",
    "torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d --rdzv-endpoint host0:29500 -m gdfq_export quantize "
    "net.onnx": "needs a second machine",
    'pip install torch==2.13.0 --index-url "$TORCH_INDEX_URL"': "needs the package index",
    "pip install --constraint constraints.txt .": "needs the package index",
    "pip install 'gdfq-export[sign]'": "needs the package index",
    "pip uninstall gdfq-export": "removes what runs this",
    ". .venv/bin/activate": "of the environment that make quantize makes",
    "gdfq-export emulator install": "needs a Debian archive and the package index",
    "docker build -t gdfq-export .": "needs Docker and the package index; that its files are there is looked at",
    "docker build -t edge-verify examples/edge": "needs Docker; that its files are there is looked at",
}
PROGRAMS = ("gdfq-export", "python", "make", "docker", "torchrun")
_RECORDER = """#!/bin/sh
{ printf '%s\\0' "${0##*/}" "$@"; printf '\\n\\0'; } >> "$RECORD"
"""
Shorten = Callable[[list[str], Path], list[str]]


class Failed(Exception):
    """A command did not end with 0; the message has what it said."""


class Shell:
    """A shell in `folder`; `shorten` changes the words of what takes long."""

    def __init__(self, folder: Path, shorten: Shorten) -> None:
        self._folder, self._shorten = folder, shorten
        self._bin = folder / ".bin"
        self._bin.mkdir()
        for name in PROGRAMS:
            (self._bin / name).write_text(_RECORDER)
            (self._bin / name).chmod(0o755)
        self._cells: set[tuple[str, ...]] = set()
        self.output = ""

    def run(self, statement: Statement) -> None:
        """Run it; `output` is what it printed.

        Raises:
            Failed: a call of it did not end with 0.
        """
        calls = self._calls(statement.text)
        self.output = "".join(self._call(words) for words in calls)
        words = shlex.split(statement.text, comments=True)
        if ">" in words:
            (self._folder / words[-1]).write_text(self.output)

    def _calls(self, text: str) -> list[list[str]]:
        record = self._folder / ".record"
        record.write_text("")
        environment = {**os.environ, "PATH": f"{self._bin}:/usr/bin:/bin", "RECORD": str(record)}
        done = subprocess.run(
            ["sh", "-ec", text], cwd=self._folder, env=environment, capture_output=True, text=True, timeout=3600
        )
        if done.returncode:
            raise Failed(f"sh: {done.stderr}")
        return [call.rstrip("\0").split("\0") for call in record.read_text().split("\n\0") if call]

    def _call(self, words: list[str]) -> str:
        programs = {
            "gdfq-export": self._tool,
            "python": self._python,
            "make": self._make,
            "docker": self._docker,
            "torchrun": self._torchrun,
        }
        return programs[words[0]](words[1:])

    def _tool(self, words: list[str]) -> str:
        words = self._shorten(words, self._folder)
        result = CliRunner().invoke(cli, words)
        if ENGINE in words[1:2] and result.exit_code == BackendUnavailable.exit_code and not torch.cuda.is_available():
            return result.stdout  # an engine runs on a GPU alone, and the command says so
        if "--cpu" in words and result.exit_code == BackendUnavailable.exit_code and Emulator.find() is None:
            return result.stdout  # other CPUs are emulated, and the command says how to install that
        if result.exit_code:
            raise Failed(f"gdfq-export {shlex.join(words)} ended with {result.exit_code}:\n{result.output}")
        return result.stdout

    def _torchrun(self, words: list[str]) -> str:
        """The launcher and its processes, which nothing here can stand in for."""
        at = words.index("gdfq_export") + 1
        command = ["-m", "torch.distributed.run", "--standalone", *words[:at], *self._shorten(words[at:], self._folder)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, *command], cwd=self._folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Failed(f"torchrun {shlex.join(words)} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def _python(self, words: list[str]) -> str:
        if words[0] == "-m":
            return self._bench(words[1], words[2:])
        printed, made = io.StringIO(), self._folder / words[0]
        with mock.patch.object(sys, "argv", words), contextlib.redirect_stdout(printed):
            try:
                runpy.run_path(str(made if made.exists() else ROOT / words[0]), run_name="__main__")
            except SystemExit as end:
                if end.code:
                    raise Failed(f"python {shlex.join(words)} ended with {end.code}:\n{printed.getvalue()}") from end
        return printed.getvalue()

    def _bench(self, module: str, words: list[str]) -> str:
        """`python -m bench.accuracy`, its results left in the folder, its processes run here."""
        if module == "bench.gpu":
            return self._bench_gpu(words)
        assert module == "bench.accuracy", f"a page calls {module}, and nothing here runs it"
        from bench import accuracy, results_file

        def process(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
            result = CliRunner().invoke(accuracy.main, command[3:])
            return subprocess.CompletedProcess(command, result.exit_code, result.stdout, result.output)

        cell = tuple(re.sub(r"^pytorchcv:.*", "pytorchcv", word) for word in words)
        if words[0] == "run" and cell in self._cells:
            return ""  # all of pytorchcv's names give the same network here
        self._cells.add(cell)
        results = self._folder / "results"
        words = [*self._shorten(words, self._folder), *(["--out", "accuracy.md"] if words == ["page"] else [])]
        with (
            mock.patch.object(results_file, "FOLDER", results),
            mock.patch.object(accuracy, "RESULTS", results / "accuracy"),
            mock.patch.object(accuracy.subprocess, "run", process),
        ):
            result = CliRunner().invoke(accuracy.main, words)
        if result.exit_code:
            raise Failed(f"python -m {module} {shlex.join(words)}:\n{result.output}\n{result.exception!r}")
        return result.stdout

    def _bench_gpu(self, words: list[str]) -> str:
        """`python -m bench.gpu`, its results left in the folder."""
        from bench import results_file
        from bench.gpu import __main__ as command

        results = self._folder / "results"
        with mock.patch.object(results_file, "FOLDER", results), mock.patch.object(command, "FOLDER", results):
            result = CliRunner().invoke(command.main, words)
        if result.exit_code:
            raise Failed(f"python -m bench.gpu {shlex.join(words)}:\n{result.output}\n{result.exception!r}")
        return result.stdout

    def _make(self, words: list[str]) -> str:
        """What the target does, installation left out."""
        plan = subprocess.run(
            ["/usr/bin/make", "--dry-run", "--no-print-directory", *words],
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=3600,
        )
        if plan.returncode:
            raise Failed(f"make {shlex.join(words)}: {plan.stderr}")
        last = shlex.split(plan.stdout.strip().splitlines()[-1])
        assert Path(last[0]).name == "gdfq-export", f"make {shlex.join(words)} ends in {last}"
        return self._tool(last[1:])

    def _docker(self, words: list[str]) -> str:
        """`docker run`: the image's program in this folder, its mounts in their own."""
        assert words[0] == "run", words
        if "gdfq-export" in words:
            return self._tool(words[words.index("gdfq-export") + 1 :])
        assert words[-1] == "edge-verify", words
        mounts = [mount.split(":") for option, mount in itertools.pairwise(words) if option == "-v"]
        where = {inside: outside for outside, inside, *_ in mounts}
        script = self._folder / "examples" / "edge" / "verify.sh"
        record = self._calls(shlex.join([str(script), where["/bundle"], where["/results"]]))
        return "".join(self._tool(call[1:]) for call in record)


def files_of_image(folder: Path) -> Iterator[Path]:
    """What the image of a Dockerfile copies, as paths."""
    for line in (folder / "Dockerfile").read_text(encoding="utf-8").splitlines():
        if line.startswith("COPY") and "--from=" not in line:
            yield from (folder / word for word in line.split()[1:-1] if not word.startswith("--"))
