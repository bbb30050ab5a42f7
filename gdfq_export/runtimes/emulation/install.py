"""Install the emulator: Debian's QEMU and ARM64 Python, and ONNX Runtime for ARM64, in one folder."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import onnxruntime

from gdfq_export.errors import BackendUnavailable
from gdfq_export.runtimes.emulation.cpus import CPUS, NATIVE
from gdfq_export.runtimes.emulation.debian_packages import (
    PYTHON,
    debian_archive,
    fetch_debian_packages,
    require_debian_tools,
)
from gdfq_export.runtimes.emulation.emulator import (
    FORMAT,
    MARKER,
    Emulator,
    default_folder,
    require_installed,
    require_system,
)
from gdfq_export.runtimes.emulation.system_files import write_system_files
from gdfq_export.support.files import atomic_folder
from gdfq_export.support.progress import Progress, SilentProgress

_WHEELS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64")


def install_emulator(
    folder: Path | None = None,
    *,
    mirror: str | None = None,
    if_needed: bool = False,
    progress: Progress | None = None,
) -> Emulator:
    """Fetch the emulator into `folder`, which is complete or absent; nothing else of the system is changed.

    About 120 MB are fetched, 200 MB are written. It holds the same release of ONNX Runtime as this Python.

    Args:
        folder: a new one, or one that holds an older emulator; None: where `Emulator.find` looks.
        mirror: address of a Debian archive; None: the one that this machine's apt uses.
        if_needed: do nothing where the folder holds one for the installed ONNX Runtime.
        progress: where phases report themselves.

    Raises:
        InputError: the folder cannot be written, or holds other things.
        BackendUnavailable: this is no x86-64 Linux, apt, dpkg or pip are missing, or packages cannot be fetched.
    """
    progress, folder = progress or SilentProgress(), folder or default_folder()
    require_system()
    if if_needed and _is_installed(folder):
        return Emulator(folder)
    require_debian_tools()
    _require_pip()
    archive = mirror or debian_archive()
    if folder == default_folder():
        folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(folder, marker=MARKER) as part:
        with progress.phase("Debian packages"):
            packages = fetch_debian_packages(part, archive)
        with progress.phase("Python packages"):
            _fetch_python_packages(part / "packages")
        write_system_files(part)
        emulator = Emulator(part)
        with progress.phase("run each CPU") as report:
            emulated = [name for name in CPUS if name != NATIVE]
            for done, name in enumerate(emulated, 1):
                found = emulator.versions(name)
                report(done, len(emulated), {})
        facts = {"format": FORMAT, "onnxruntime": found["onnxruntime"], "numpy": found["numpy"], "packages": packages}
        (part / MARKER).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return Emulator(folder)


def _is_installed(folder: Path) -> bool:
    try:
        require_installed(folder)
    except BackendUnavailable:
        return False
    return True


def _require_pip() -> None:
    if importlib.util.find_spec("pip") is None:
        raise BackendUnavailable(
            f"{sys.executable} has no pip to fetch ONNX Runtime for ARM64 with; install it with python -m ensurepip"
        )


def _fetch_python_packages(folder: Path) -> None:
    """ONNX Runtime of the release that is installed here, and NumPy, for ARM64."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--target", str(folder), "--only-binary=:all:", "--no-compile"]
    command += ["--python-version", PYTHON, "--implementation", "cp"]
    command += [part for platform in _WHEELS for part in ("--platform", platform)]
    command += [f"onnxruntime=={onnxruntime.__version__}", "numpy>=2,<3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        said = errors[-1] if errors else f"it ended with exit code {done.returncode}"
        raise BackendUnavailable(
            f"pip cannot fetch ONNX Runtime {onnxruntime.__version__} for ARM64 and Python {PYTHON}: {said}; "
            "check the network and pip's index"
        )
