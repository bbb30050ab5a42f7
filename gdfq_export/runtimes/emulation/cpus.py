"""The CPUs that can be emulated, and what their system files say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gdfq_export.errors import InputError

NATIVE = "native"

_CORE = ("fp", "asimd", "aes", "pmull", "sha1", "sha2", "crc32")
_DOT = (*_CORE, "atomics", "fphp", "asimdhp", "asimdrdm", "asimddp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """One CPU.

    Attributes:
        name: as commands take it.
        description: what its integer kernels are made of, and a device that has it.
        architecture: of its instructions; `native` is the CPU of this machine, which is not emulated.
        model: QEMU's name of it.
        part: ARM's part number, as `/proc/cpuinfo` has it.
        features: as `/proc/cpuinfo` has them.
    """

    name: str
    description: str
    architecture: Literal["aarch64", "x86_64", "native"]
    model: str = ""
    part: str = ""
    features: tuple[str, ...] = ()

    @property
    def cpuinfo(self) -> str:
        """What `/proc/cpuinfo` holds for one such core; ONNX Runtime does not load without it."""
        return (
            f"processor\t: 0\nFeatures\t: {' '.join(self.features)}\nCPU implementer\t: 0x41\n"
            f"CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: {self.part}\nCPU revision\t: 1\n\n"
        )


CPUS: dict[str, Cpu] = {
    cpu.name: cpu
    for cpu in (
        Cpu(
            name="cortex-a53",
            description="ARM64 without dot product: Raspberry Pi 3",
            architecture="aarch64",
            model="cortex-a53",
            part="0xd03",
            features=_CORE,
        ),
        Cpu(
            name="cortex-a72",
            description="ARM64 without dot product: Raspberry Pi 4",
            architecture="aarch64",
            model="cortex-a72",
            part="0xd08",
            features=_CORE,
        ),
        Cpu(
            name="cortex-a76",
            description="ARM64 with dot product: Raspberry Pi 5",
            architecture="aarch64",
            model="cortex-a76",
            part="0xd0b",
            features=_DOT,
        ),
        Cpu(
            name="arm64-max",
            description="ARM64 with all that QEMU emulates: int8 matrix products (i8mm), SVE",
            architecture="aarch64",
            model="max",
            part="0xd40",
            features=(*_DOT, "sve", "i8mm", "bf16"),
        ),
        Cpu(
            name="haswell",
            description="x86-64 with AVX2, without VNNI: Intel Core of 2013 to 2018",
            architecture="x86_64",
            model="Haswell",
        ),
        Cpu(
            name="nehalem",
            description="x86-64 with SSE4.2, without AVX: Intel Core of 2008 to 2010",
            architecture="x86_64",
            model="Nehalem",
        ),
        Cpu(name=NATIVE, description="this machine's own", architecture="native"),
    )
}


def find_cpu(name: str) -> Cpu:
    """The CPU called `name`.

    Raises:
        InputError: there is none.
    """
    if name not in CPUS:
        raise InputError(f"there is no CPU {name}; choose {', '.join(CPUS)}")
    return CPUS[name]
