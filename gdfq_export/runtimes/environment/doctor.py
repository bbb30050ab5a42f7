"""What this machine can run, and why not the rest: hardware, packages, runtimes, targets, network zoos."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from gdfq_export.errors import BackendUnavailable
from gdfq_export.runtimes import BACKENDS
from gdfq_export.runtimes.base import Backend
from gdfq_export.runtimes.choose import choose_backend
from gdfq_export.runtimes.emulation.cpus import CPUS, NATIVE
from gdfq_export.runtimes.emulation.emulator import REMEDY, default_folder, require_installed
from gdfq_export.runtimes.environment.machine import Machine, installed_versions, this_machine, versions
from gdfq_export.runtimes.environment.product_exactness import ProductExactness, measure_products
from gdfq_export.targets import TARGETS, Target

_FAST = {
    "amx_int8": "AMX multiplies int8 tiles",
    "avx512_vnni": "AVX512-VNNI accumulates four uint8 x int8 products at once, in 32 bits",
    "avx_vnni": "AVX-VNNI accumulates four uint8 x int8 products at once, in 32 bits",
    "i8mm": "I8MM multiplies int8 matrices",
    "asimddp": "dot products of int8",
}
_PACKAGES = {
    "onnxruntime": ("onnxruntime",),
    "openvino": ("openvino",),
    "tensorrt": ("tensorrt", "tensorrt-rtx"),
    "qnn": ("onnxruntime-qnn",),
}
_EXTRAS = {
    "openvino": "pip install 'gdfq-export[openvino]'",
    "qnn": "a device with a Qualcomm processor and pip install 'gdfq-export[qnn]'",
    "tensorrt": "an NVIDIA GPU and pip install 'gdfq-export[tensorrt]'; 'gdfq-export[tensorrt-rtx]' builds engines "
    "without a GPU",
}
_SOURCES = ("pytorchcv", "timm", "torchvision")
_ZOO = "pip install 'gdfq-export[zoo]'"
_AS_WRITTEN = "onnxruntime-as-written"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageState:
    """A package; `version` is empty where it is not installed, `reason` says why it cannot be used here."""

    name: str
    version: str
    usable: bool
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeState(PackageState):
    """A runtime, and what it computes on."""

    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """What `quantize --target NAME` can do here; `state` is "measured here", "measured elsewhere" or "not here"."""

    name: str
    description: str
    state: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorState:
    """The emulator of other CPUs: its folder, and the names and descriptions of CPUs that it runs, or why it cannot."""

    folder: str
    usable: bool
    cpus: Mapping[str, str]
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The result of `gdfq-export doctor`; bytes of memory are None where the system does not report them."""

    machine: Machine
    memory_bytes: int | None
    memory_free_bytes: int | None
    integer_speed: str
    products: tuple[ProductExactness, ...]
    versions: Mapping[str, str]
    torch_devices: tuple[str, ...]
    torch_threads: int
    runtimes: tuple[RuntimeState, ...]
    targets: tuple[TargetState, ...]
    sources: tuple[PackageState, ...]
    emulator: EmulatorState

    def to_json(self) -> str:
        """Indented JSON that ends in a newline."""
        body = {"schema_version": 1, **dataclasses.asdict(self)}
        return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def diagnose(
    *,
    backends: Mapping[str, Backend] = BACKENDS,
    machine: Machine | None = None,
    measure: Callable[[], tuple[ProductExactness, ...]] = measure_products,
) -> Diagnosis:
    """Examine the machine; takes a second or two, mostly imports."""
    found = this_machine() if machine is None else machine
    products = measure()
    runtimes = tuple(_runtime(backend) for name, backend in backends.items() if name != _AS_WRITTEN)
    total, free = _memory()
    return Diagnosis(
        machine=found,
        memory_bytes=total,
        memory_free_bytes=free,
        integer_speed=_integer_speed(found),
        products=products,
        versions=versions(),
        torch_devices=_torch_devices(),
        torch_threads=torch.get_num_threads(),
        runtimes=runtimes,
        targets=tuple(_target(target, dict(backends), products) for target in TARGETS.values()),
        sources=tuple(map(_source, _SOURCES)),
        emulator=_emulator(),
    )


def _integer_speed(machine: Machine) -> str:
    for flag, said in _FAST.items():
        if flag in machine.flags:
            return f"{said}: INT8 is fast here"
    if "avx2" in machine.flags:
        return "AVX2 without VNNI: INT8 is little faster than float, and two products are added in 16 bits"
    return "this CPU has no known INT8 instructions: INT8 may be slower than float"


def _runtime(backend: Backend) -> RuntimeState:
    reason = ""
    try:
        backend.require()
    except BackendUnavailable as error:
        reason = str(error)
    installed = installed_versions(_PACKAGES.get(backend.name, (backend.name,)))
    return RuntimeState(
        name=backend.name,
        version=", ".join(map(" ".join, installed.items())),
        usable=not reason,
        device=_device(backend.name) if not reason else "",
        reason=reason,
        remedy=_EXTRAS.get(backend.name, "") if reason else "",
    )


def _device(runtime: str) -> str:
    if runtime == "openvino":
        import openvino

        return str(openvino.Core().get_property("CPU", "FULL_DEVICE_NAME"))
    return ", ".join(_torch_devices()[1:]) or "NVIDIA GPU" if runtime == "tensorrt" else "CPU"


def _target(target: Target, backends: dict[str, Backend], products: tuple[ProductExactness, ...]) -> TargetState:
    state, reason, remedy = "measured here", "", ""
    try:
        measuring = choose_backend(target, backends)
    except BackendUnavailable as error:
        state, reason = "not here", str(error)
    else:
        if measuring.fallback_reason:
            state = "measured elsewhere"
            here, why = measuring.measured_on.title, measuring.fallback_reason
            reason = f"accuracy is measured in {here}, speed is not measured: {why}"
    if state != "measured here":
        remedy = _EXTRAS.get(target.backend, "")
    elif target.backend == "onnxruntime" and not target.activation.signed and not _exact(products, target):
        reason = f"sums of {target.weight.most_bits}-bit weights saturate on this CPU, so results are wrong"
        others = [each for each in TARGETS.values() if each.backend == target.backend and _exact(products, each)]
        remedy = " or ".join(f"--target {each.name}" for each in others if not each.activation.signed)
    return TargetState(name=target.name, description=target.description, state=state, reason=reason, remedy=remedy)


def _exact(products: tuple[ProductExactness, ...], target: Target) -> bool:
    return all(each.exact for each in products if each.bits == target.weight.most_bits)


def _source(name: str) -> PackageState:
    reason = ""
    try:
        importlib.import_module(name)
    except Exception as error:  # a broken installation raises more than ImportError
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    version = installed_versions((name,)).get(name, "")
    remedy = "" if not reason else f"{_ZOO}; torchvision and torch must be of the same release" if version else _ZOO
    return PackageState(name=name, version=version, usable=not reason, reason=reason, remedy=remedy)


def _emulator() -> EmulatorState:
    folder, reason = default_folder(), ""
    try:
        require_installed(folder)
    except BackendUnavailable as error:
        reason = str(error)
    return EmulatorState(
        folder=str(folder),
        usable=not reason,
        cpus={} if reason else {name: cpu.description for name, cpu in CPUS.items() if name != NATIVE},
        reason=reason,
        remedy=REMEDY if reason else "",
    )


def _torch_devices() -> tuple[str, ...]:
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return ("cpu", *(f"cuda:{index} {name}" for index, name in enumerate(gpus)))


def _memory(
    meminfo: Path = Path("/proc/meminfo"), limit: Path = Path("/sys/fs/cgroup/memory.max")
) -> tuple[int | None, int | None]:
    """Bytes of memory and bytes that are free, within a container's limit."""
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines())
        total, free = (int(lines[key].split()[0]) * 1024 for key in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError):
        if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
            return None, None
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None
    try:
        most = int(limit.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return total, free
    return min(total, most), min(free, most)
