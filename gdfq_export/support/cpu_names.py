"""The names of CPUs that a file can be verified on; quick to import."""

from __future__ import annotations

NATIVE = "native"
CPU_NAMES = ("cortex-a53", "cortex-a72", "cortex-a76", "arm64-max", "haswell", NATIVE)
