"""Every exception becomes one sentence on stderr and the exit code the README promises."""

from __future__ import annotations

import errno
import signal
from collections.abc import Iterator

import click
import pytest
import torch
from click.testing import CliRunner

from calib.errors import DataError
from gdfq_export.cli.errors import CommandGroup
from gdfq_export.cli.options.shared import log_level_option
from gdfq_export.errors import BackendUnavailable, GateFailed, InputError
from gdfq_export.support.interruption import SIGNALS, Interrupted, raise_on_signals


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Those of the process are given back."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(error: BaseException | None, *options: str) -> tuple[int, str, str]:
    @click.group(cls=CommandGroup)
    def group() -> None: ...

    @group.command()
    @log_level_option
    def work() -> None:
        if error is not None:
            raise error

    result = CliRunner().invoke(group, ["work", *options])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (GateFailed("top-1 dropped by 2 points"), 1, "Error: top-1 dropped by 2 points\n"),
        (InputError("no such file"), 2, "Error: no such file\n"),
        (DataError("key `images` is missing"), 2, "Error: key `images` is missing\n"),
        (BackendUnavailable("no GPU"), 3, "Error: no GPU\n"),
        (OSError(errno.ENOSPC, "No space left on device", "q.onnx"), 2, "No space left on device at q.onnx"),
        (
            ValueError("a\nb"),
            4,
            "Error: internal error: ValueError: a b; run with --log-level debug for the traceback\n",
        ),
        (FileNotFoundError(errno.ENOENT, "No such file", "ours"), 4, "internal error: FileNotFoundError"),
        (
            OSError(errno.ENAMETOOLONG, "File name too long", "xxx"),
            2,
            "cannot open xxx: File name too long; give another",
        ),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 2, "cannot print the results: Broken pipe"),
        (KeyboardInterrupt(), 130, "Error: interrupted"),
        (Interrupted(signal.SIGTERM), 143, "Error: interrupted"),
        (Interrupted(signal.SIGTERM, go_on="run it again"), 143, "Error: interrupted; run it again\n"),
    ],
)
def test_an_error_is_one_sentence_and_a_code(error: BaseException, code: int, said: str) -> None:
    found, stdout, stderr = run(error)
    assert found == code
    assert said in stderr
    assert stdout == ""
    assert "Traceback" not in stderr
    assert stderr.count("\n") == 1


def test_no_error_is_exit_code_0() -> None:
    assert run(None) == (0, "", "")


def test_debug_shows_the_traceback() -> None:
    code, _, stderr = run(ValueError("deep down"), "--log-level", "debug")
    assert code == 4
    assert "Traceback" in stderr
    assert stderr.rstrip().endswith("run with --log-level debug for the traceback")


def test_wrong_usage_is_exit_code_2() -> None:
    code, _, stderr = run(None, "--log-level", "loud")
    assert code == 2
    assert "'loud' is not one of 'debug', 'info', 'warning', 'error'" in stderr


def test_a_signal_of_which_other_code_made_an_error_is_still_an_interruption() -> None:
    """An interrupted import leaves half a module, and what imports it next fails otherwise."""

    @click.group(cls=CommandGroup)
    def group() -> None:
        pass

    @group.command()
    def fail() -> None:
        raise_on_signals()
        try:
            signal.raise_signal(signal.SIGTERM)
        except Interrupted:
            raise AttributeError("module 'numpy' has no attribute 'subtract'") from None

    result = CliRunner().invoke(group, ["fail"])
    assert (result.exit_code, result.stderr.startswith("Error: interrupted")) == (143, True)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("no room"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
)
def test_memory_that_is_used_up_is_no_fault_of_the_tool(error: BaseException) -> None:
    code, _, stderr = run(error)
    assert code == 2 and "out of memory (" in stderr and "smaller images" in stderr
