"""An emulator whose CPUs are all this machine's, for what needs another process but no other CPU."""

from __future__ import annotations

from pathlib import Path

from gdfq_export.runtimes.emulation import NATIVE, Emulator, find_cpu
from gdfq_export.runtimes.emulation.cpus import Cpu


class SameMachine(Emulator):
    """Every CPU is the native one."""

    def __init__(self) -> None:
        super().__init__(Path("none"))

    def command(self, cpu: Cpu) -> tuple[list[str], dict[str, str]]:
        del cpu
        return super().command(find_cpu(NATIVE))
