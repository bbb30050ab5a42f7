"""gdfq-export emulator: other CPUs to verify a file on."""

from __future__ import annotations

from pathlib import Path

import click

from gdfq_export.cli.options.shared import OUTPUT, log_level_option
from gdfq_export.cli.output.echo import echo


@click.group()
def emulator() -> None:
    """Install what gdfq-export verify --cpu needs: QEMU, and ONNX Runtime for ARM64."""


@emulator.command()
@click.argument("folder", metavar="DIR", type=OUTPUT, required=False)
@click.option(
    "--mirror", metavar="URL", help="Address of a Debian archive.  [default: the one that apt uses on this machine]"
)
@click.option("--if-needed", is_flag=True, help="Do nothing where DIR holds one for the installed ONNX Runtime.")
@log_level_option
def install(folder: Path | None, mirror: str | None, if_needed: bool) -> None:
    """Fetch the emulator into DIR, by default $GDFQ_EXPORT_EMULATOR or a folder among the user's cached files.

    About 120 MB are fetched from Debian and from pip's index, 200 MB are written; nothing else of the system is
    changed. It needs x86-64 Linux with apt, and no rights of an administrator.
    """
    import gdfq_export as gq
    from gdfq_export.cli.output.progress_display import progress_display

    written = gq.install_emulator(folder, mirror=mirror, if_needed=if_needed, progress=progress_display())
    echo(f"the emulator is in {written}")
