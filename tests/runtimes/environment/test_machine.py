from __future__ import annotations

from pathlib import Path

import onnxruntime

from gdfq_export.runtimes.environment.machine import this_machine, usable_cores, versions


def test_cpu_and_flags_come_from_cpuinfo(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(
        "processor\t: 0\nmodel name\t: Test CPU 9\nflags\t\t: fpu avx2 avx512_vnni sse\n\n"
        "processor\t: 1\nmodel name\t: Other\n"
    )
    machine = this_machine(path)
    assert (machine.cpu, machine.flags) == ("Test CPU 9", ("avx2", "avx512_vnni"))
    assert machine.cores == usable_cores() >= 1


def test_a_system_without_cpuinfo_is_described_all_the_same(tmp_path: Path) -> None:
    machine = this_machine(tmp_path / "none")
    assert machine.cpu
    assert machine.flags == ()


def test_versions_name_the_runtime() -> None:
    assert versions()["onnxruntime"] == onnxruntime.__version__
