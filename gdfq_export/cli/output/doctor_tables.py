"""Tables of `gdfq-export doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdfq_export.cli.output.report_tables import print_table
from gdfq_export.support.text import counted

if TYPE_CHECKING:
    from gdfq_export.runtimes.environment.doctor import Diagnosis, EmulatorState
    from gdfq_export.runtimes.environment.product_exactness import ProductExactness

_GIB = 2**30


def print_diagnosis(diagnosis: Diagnosis) -> None:
    """The machine, then runtimes, targets and sources with what is missing."""
    print_table(("machine", "value"), _machine(diagnosis))
    print_table(
        ("runtime", "version", "runs here", "device", "reason", "remedy"),
        [
            (each.name, each.version or "not installed", _yes(each.usable), each.device, each.reason, each.remedy)
            for each in diagnosis.runtimes
        ],
    )
    print_table(
        ("target", "for", "here", "reason", "remedy"),
        [(each.name, each.description, each.state, each.reason, each.remedy) for each in diagnosis.targets],
    )
    print_table(
        ("networks by name", "version", "usable", "reason", "remedy"),
        [
            (f"{each.name}:NAME", each.version or "not installed", _yes(each.usable), each.reason, each.remedy)
            for each in diagnosis.sources
        ],
    )
    print_table(("CPU", "what it is", "runs here", "reason", "remedy"), _cpus(diagnosis.emulator))


def _machine(diagnosis: Diagnosis) -> Iterator[tuple[str, str]]:
    machine = diagnosis.machine
    yield "CPU", f"{machine.cpu}, {machine.system}"
    yield "instructions", ", ".join(machine.flags) or "no relevant extensions"
    yield "INT8", diagnosis.integer_speed
    for product in diagnosis.products:
        yield f"uint8 x int{product.bits}, ONNX Runtime", _product(product)
    load = "" if machine.load_1min is None else f", load {machine.load_1min}"
    yield "cores", f"{machine.cores}{load}"
    if diagnosis.memory_bytes is not None:
        free = diagnosis.memory_free_bytes
        left = "" if free is None else f", {free / _GIB:.1f} GiB free"
        yield "memory", f"{diagnosis.memory_bytes / _GIB:.1f} GiB{left}"
    yield "torch computes on", f"{', '.join(diagnosis.torch_devices)}; {counted(diagnosis.torch_threads, 'thread')}"
    yield "versions", ", ".join(f"{name} {version}" for name, version in diagnosis.versions.items())


def _cpus(emulator: EmulatorState) -> Iterator[tuple[str, ...]]:
    for name, description in emulator.cpus.items():
        yield name, description, "emulated", f"the emulator is in {emulator.folder}", ""
    if not emulator.usable:
        yield "other CPUs", "ARM64, x86-64 with AVX2", "no", emulator.reason, emulator.remedy


def _product(product: ProductExactness) -> str:
    if product.exact:
        return f"exact: none of {product.of:,} sums of the largest codes is off ({product.seconds:.2f} s)"
    return f"NOT exact: {product.wrong:,} of {product.of:,} sums of the largest codes are off"


def _yes(true: bool) -> str:
    return "yes" if true else "no"
