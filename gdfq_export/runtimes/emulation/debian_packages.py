"""Debian packages of QEMU and of an ARM64 Python, fetched by name into a folder of their own.

apt runs with its own lists, cache and state in that folder: nothing of the system is read but the address of its
archive and Debian's keys, and nothing is changed.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from gdfq_export.errors import BackendUnavailable

SUITE = "bookworm"  # has Python 3.11 and QEMU 7.2, the first one with AVX2
PYTHON = "3.11"
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
TOOLS = ("apt-get", "dpkg-deb")

_QEMU = "qemu-user-static"
_BINARIES = {"qemu-aarch64-static": "qemu-aarch64", "qemu-x86_64-static": "qemu-x86_64"}
_ARM64 = (
    "libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libexpat1", "libffi8", "libbz2-1.0", "liblzma5",
    f"libpython{PYTHON}-minimal", f"libpython{PYTHON}-stdlib", f"python{PYTHON}-minimal",
)  # fmt: skip


def require_debian_tools(keys: Path = KEYS) -> None:
    """Do nothing where apt, dpkg and Debian's keys are installed.

    Raises:
        BackendUnavailable: one of them is missing.
    """
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        raise BackendUnavailable(
            f"{' and '.join(missing)} are not on this machine, and the emulator is made of Debian packages; install it "
            "on Debian or Ubuntu, or copy its folder from there"
        )
    if not keys.is_file():
        raise BackendUnavailable(f"{keys} is missing; install the package debian-archive-keyring")


def debian_archive() -> str:
    """The address of the Debian archive that this machine's apt uses.

    Raises:
        BackendUnavailable: it uses none.
    """
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)"], capture_output=True, text=True, check=False
    )
    found = [line.strip() for line in listed.stdout.splitlines() if line.strip().rstrip("/").endswith("/debian")]
    if not found:
        raise BackendUnavailable("apt knows no Debian archive here; give the address of one with --mirror")
    return found[0]


def fetch_debian_packages(folder: Path, mirror: str) -> list[str]:
    """Write QEMU to `folder/qemu` and the ARM64 Python with its libraries to `folder/root`.

    Args:
        folder: of the emulator.
        mirror: address of a Debian archive.

    Returns:
        names of the package files, which hold their versions.

    Raises:
        BackendUnavailable: a package cannot be fetched.
    """
    work = folder / "apt"
    for needed in (work / "lists/partial", work / "cache/archives/partial", work / "packages"):
        needed.mkdir(parents=True)
    (work / "status").touch()
    (work / "debian.sources").write_text(
        f"Types: deb\nURIs: {mirror}\nSuites: {SUITE}\nComponents: main\nSigned-By: {KEYS}\n", encoding="utf-8"
    )
    _apt(work, "update")
    _apt(work, "download", f"{_QEMU}:amd64", *(f"{name}:arm64" for name in _ARM64))
    packages = sorted((work / "packages").glob("*.deb"))
    for package in packages:
        into = folder / ("root" if package.name.endswith("_arm64.deb") else "unpacked")
        _run(["dpkg-deb", "--extract", str(package), str(into)], work)
    (folder / "qemu").mkdir()
    for packaged, name in _BINARIES.items():
        shutil.move(folder / "unpacked/usr/bin" / packaged, folder / "qemu" / name)
    for leftover in ("unpacked", "apt"):
        shutil.rmtree(folder / leftover)
    return [package.name for package in packages]


def _apt(work: Path, *arguments: str) -> None:
    options = {
        "Dir::State": str(work),
        "Dir::State::status": str(work / "status"),
        "Dir::State::lists": str(work / "lists"),
        "Dir::Cache": str(work / "cache"),
        "Dir::Etc::sourcelist": str(work / "debian.sources"),
        "Dir::Etc::sourceparts": "-",
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64,arm64",
        "APT::Sandbox::User": "root",
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        "Acquire::http::Timeout": "30",
    }
    flags = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
    _run(["apt-get", "-q", *flags, *arguments], work / "packages")


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("E:")] or done.stderr.splitlines()
        said = lines[0].removeprefix("E: ") if lines else f"it ended with exit code {done.returncode}"
        raise BackendUnavailable(
            f"{command[0]} cannot fetch the emulator's Debian packages: {said}; check the network, or give the address "
            "of a Debian archive with --mirror"
        )
