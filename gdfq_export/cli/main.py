"""The command `gdfq-export`: a group with one file a command.

What is slow to import (torch, onnx, pydantic, rich) is imported by the commands that need it, when they run.
"""

from __future__ import annotations

import io
import os
import sys

import click

from gdfq_export import __version__
from gdfq_export.cli.commands.batch import batch
from gdfq_export.cli.commands.build import build
from gdfq_export.cli.commands.checkpoints import checkpoints
from gdfq_export.cli.commands.clean import clean
from gdfq_export.cli.commands.compare import compare
from gdfq_export.cli.commands.doctor import doctor
from gdfq_export.cli.commands.emulator import emulator
from gdfq_export.cli.commands.inspect import inspect
from gdfq_export.cli.commands.quantize import quantize
from gdfq_export.cli.commands.recipes import recipes
from gdfq_export.cli.commands.search import search
from gdfq_export.cli.commands.synthesize import synthesize
from gdfq_export.cli.commands.verify import verify
from gdfq_export.cli.errors import CommandGroup
from gdfq_export.cli.processes import quiet_unless_first
from gdfq_export.errors import InputError
from gdfq_export.support.interruption import die_on_signals, raise_on_signals


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True},
)
@click.version_option(__version__, prog_name="gdfq-export")
def cli() -> None:
    """Turn a trained network into a low-bit ONNX file, without data, and prove what the file does.

    Exit codes: 0 done, 1 a gate failed, 2 wrong usage or unusable input, 3 backend or device not available,
    4 internal error; 130 interrupted by Ctrl-C, 143 ended by SIGTERM.
    """


for command in (
    quantize, verify, inspect, compare, batch, search, synthesize, build, recipes, checkpoints, emulator,
    doctor, clean,
):  # fmt: skip
    cli.add_command(command)


def _require_streams() -> None:
    """Let file names of any bytes be printed; end at once where there is no stdout to print results on.

    A descriptor that is closed would be given to the next file that is opened, and what libraries print would be
    written to it.
    """
    closed = sys.stdout is None
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if closed:
        print("Error: standard output is closed; send it to a file, or to /dev/null", file=sys.stderr)
        sys.exit(InputError.exit_code)


def main() -> None:
    """Run the command line; the console script's entry."""
    _require_streams()
    quiet_unless_first()
    raise_on_signals()
    try:
        cli(prog_name="gdfq-export")
    finally:
        die_on_signals()
