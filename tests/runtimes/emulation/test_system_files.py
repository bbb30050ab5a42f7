from __future__ import annotations

from pathlib import Path

from gdfq_export.runtimes.emulation.cpus import CPUS
from gdfq_export.runtimes.emulation.system_files import write_system_files


def test_each_arm_cpu_has_files_of_its_own_and_the_folder_can_be_moved(tmp_path: Path) -> None:
    built, moved = tmp_path / "built", tmp_path / "moved"
    (built / "root/lib").mkdir(parents=True)
    (built / "root/lib/libc.so").touch()
    write_system_files(built)
    built.rename(moved)
    assert {each.name for each in (moved / "cpus").iterdir()} == {
        name for name, cpu in CPUS.items() if cpu.architecture == "aarch64"
    }
    assert (moved / "cpus/cortex-a53/proc/cpuinfo").read_text() == CPUS["cortex-a53"].cpuinfo
    assert (moved / "cpus/cortex-a53/lib/libc.so").is_file()
