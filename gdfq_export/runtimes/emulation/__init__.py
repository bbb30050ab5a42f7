"""ONNX Runtime as it computes on other CPUs, under the user-mode emulator QEMU."""

from gdfq_export.runtimes.emulation.cpus import CPUS, NATIVE, Cpu, find_cpu
from gdfq_export.runtimes.emulation.emulator import Emulator, Job
