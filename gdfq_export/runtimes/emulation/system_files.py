"""The file tree that an emulated process sees: the ARM64 libraries, and a `/proc` and `/sys` for each CPU.

QEMU passes the machine's own `/proc/cpuinfo` on, in which an ARM library finds no CPU: `import onnxruntime` then ends
in a crash.
"""

from __future__ import annotations

from pathlib import Path

from gdfq_export.runtimes.emulation.cpus import CPUS

_LIBRARIES = ("lib", "usr", "etc")
_CORE_FILES = (
    "possible",
    "present",
    "cpu0/topology/cluster_cpus_list",
    "cpu0/topology/core_siblings_list",
    "cpu0/topology/physical_package_id",
)


def write_system_files(folder: Path) -> None:
    """Write `cpus/NAME` for each ARM64 CPU, beside the libraries in `root`; links are relative, so the folder moves."""
    for cpu in CPUS.values():
        if cpu.architecture != "aarch64":
            continue
        root = folder / "cpus" / cpu.name
        cores = root / "sys/devices/system/cpu"
        for needed in (root / "proc", cores / "cpu0/topology", cores / "cpu0/cpufreq"):
            needed.mkdir(parents=True)
        for name in _LIBRARIES:
            (root / name).symlink_to(Path("../../root") / name)
        (root / "proc/cpuinfo").write_text(cpu.cpuinfo, encoding="ascii")
        (cores / "kernel_max").write_text("255\n", encoding="ascii")
        for name in _CORE_FILES:
            (cores / name).write_text("0\n", encoding="ascii")
