"""The command itself: quick to help, whole in its commands, runnable as a module from anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import gdfq_export
from gdfq_export.cli.main import cli

ROOT = Path(gdfq_export.__file__).parent.parent
SLOW_TO_IMPORT = ("torch", "onnx", "onnxruntime", "numpy", "pydantic", "rich", "matplotlib")


def python(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment, timeout=3600, check=False
    )


def test_help_imports_nothing_slow() -> None:
    script = "import sys, gdfq_export.cli; print(*[m for m in sys.argv[1:] if m in sys.modules])"
    found = python("-c", script, *SLOW_TO_IMPORT)
    assert found.returncode == 0, found.stderr
    assert found.stdout == "\n"


def test_the_flags_of_gates_are_quick_too() -> None:
    """`--help` of a command that takes gates reads their table, not what measures them."""
    found = python("-X", "importtime", "-m", "gdfq_export", "verify", "--help")
    assert found.returncode == 0, found.stderr
    assert "--max-top1-drop-pp" in found.stdout
    imported = {line.rpartition("|")[2].strip() for line in found.stderr.splitlines()}
    assert "gdfq_export.gates" in imported
    assert not imported & {*SLOW_TO_IMPORT}


def test_it_runs_as_a_module_from_any_folder(tmp_path: Path) -> None:
    found = python("-m", "gdfq_export", "recipes", "show", "w8a8-ort-cpu", folder=tmp_path)
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("name: w8a8-ort-cpu\n")


def test_a_mistake_is_told_without_a_traceback(tmp_path: Path) -> None:
    found = python("-m", "gdfq_export", "recipes", "show", "w8a7", folder=tmp_path)
    assert found.returncode == 2
    assert found.stderr.startswith("Error: no recipe is named 'w8a7'")
    assert found.stdout == ""


COMMANDS = (
    "quantize",
    "verify",
    "inspect",
    "compare",
    "search",
    "synthesize",
    "build",
    "recipes",
    "emulator",
    "doctor",
    "clean",
)


@pytest.mark.parametrize(
    "command", [[], *([name] for name in COMMANDS), ["recipes", "list"], ["emulator", "install"]], ids=" ".join
)
def test_every_command_explains_itself(command: list[str]) -> None:
    result = CliRunner().invoke(cli, [*command, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith("Usage: ")


def test_the_version_is_the_package_s() -> None:
    assert CliRunner().invoke(cli, ["--version"]).output == f"gdfq-export, version {gdfq_export.__version__}\n"


@pytest.mark.parametrize("stdout", ["closed", "full", "a pipe that nobody reads"])
def test_results_that_cannot_be_printed_end_with_2(stdout: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gdfq_export", "recipes", "show", "w8a8-ort-cpu"]
    if stdout == "closed":
        command, number = ["sh", "-c", 'exec "$@" >&-', "sh", *command], os.open(os.devnull, os.O_WRONLY)
    elif stdout == "full":
        number = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, number = os.pipe()
        os.close(reader)
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, stdout=number, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    os.close(number)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
