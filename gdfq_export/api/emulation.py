"""Install the emulator of other CPUs."""

from __future__ import annotations

from pathlib import Path

from gdfq_export.runtimes.emulation.install import install_emulator as run_install
from gdfq_export.support.progress import Progress


def install_emulator(
    folder: str | Path | None = None,
    *,
    mirror: str | None = None,
    if_needed: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Fetch what `verify` needs to run a file on other CPUs: QEMU, and ONNX Runtime for ARM64.

    About 120 MB are fetched from Debian and from pip's index, 200 MB are written. All of it is in one folder, which is
    complete or absent; nothing else of the system is changed.

    Args:
        folder: a new one, or one that holds an older emulator; None: the one that the variable GDFQ_EXPORT_EMULATOR
            names, else one among the user's cached files.
        mirror: address of a Debian archive; None: the one that this machine's apt uses.
        if_needed: do nothing where the folder holds one for the installed ONNX Runtime.
        progress: where phases report themselves.

    Returns:
        The folder. Where it is not the default one, GDFQ_EXPORT_EMULATOR must name it.

    Raises:
        InputError: the folder cannot be written, or holds other things.
        BackendUnavailable: this is no x86-64 Linux, apt, dpkg or pip are missing, or packages cannot be fetched.

    Example:
        >>> import gdfq_export as gq
        >>> gq.install_emulator()  # doctest: +SKIP
        PosixPath('/home/user/.cache/gdfq-export/emulator')
    """
    path = None if folder is None else Path(folder)
    return run_install(path, mirror=mirror, if_needed=if_needed, progress=progress).folder
