"""Which TensorRT is installed, and whether there is a GPU for it.

One backend serves `tensorrt` 10 and 11 and `tensorrt_rtx`, whose Python interfaces agree in what is used here.
TensorRT-RTX builds engines without a GPU; TensorRT does not, and crashes or returns nothing when asked to.
"""

from __future__ import annotations

import ctypes
import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from gdfq_export.errors import BackendUnavailable

PACKAGES = ("tensorrt", "tensorrt_rtx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """An installed TensorRT; `api` is its module."""

    name: str
    version: str
    builds_without_gpu: bool
    api: Any

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"

    @property
    def has_timing_cache(self) -> bool:
        """TensorRT-RTX measures nothing while it builds: its calls are there, do nothing, and ask for a GPU."""
        return not self.builds_without_gpu


def find_package(*names: str) -> Package:
    """The first of `names` that is installed: TensorRT, or TensorRT-RTX, unless an engine needs one of them.

    Raises:
        BackendUnavailable: none can be imported.
    """
    reasons = []
    for name in names or PACKAGES:
        try:
            api: ModuleType = importlib.import_module(name)
        except Exception as error:  # a binding whose libraries are missing raises what it likes
            reasons.append(f"{name}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
            continue
        if hasattr(api, "Builder"):
            version = str(getattr(api, "__version__", "unknown"))
            return Package(name=name, version=version, builds_without_gpu=name == "tensorrt_rtx", api=api)
        reasons.append(f"{name} has no Builder (a runtime alone, or an empty package of that name)")
    raise BackendUnavailable(
        f"TensorRT is not installed ({'; '.join(reasons)}); pip install 'gdfq-export[tensorrt-rtx]' builds engines for "
        "RTX GPUs on any machine, 'gdfq-export[tensorrt]' needs NVIDIA's package index and a GPU"
    )


def reason_against_gpu() -> str:
    """Why no NVIDIA GPU can be used here; empty where one can.

    The driver itself is asked (`cuInit`): without a driver, TensorRT's runtime object may end the process.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "there is no NVIDIA driver on this machine (libcuda.so.1 is not found)"
    if (code := driver.cuInit(0)) != 0:
        return f"the NVIDIA driver does not start (cuInit returns {code})"
    count = ctypes.c_int(0)
    if driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return "the NVIDIA driver sees no GPU"
    return ""
