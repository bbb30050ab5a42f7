"""What a section needs, and why it is not here."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from gdfq_export.errors import BackendUnavailable
from gdfq_export.runtimes import BACKENDS
from gdfq_export.runtimes.tensorrt.package import reason_against_gpu

_DATA = "GDFQ_EXPORT_DATA"
Missing = Callable[[], str]


def torch_gpu() -> str:
    """A GPU that torch computes on."""
    if torch.cuda.is_available():
        return ""
    return reason_against_gpu() or f"torch {torch.__version__} is built without CUDA, or its driver is too old"


def tensorrt() -> str:
    """A TensorRT that builds and runs engines."""
    try:
        BACKENDS["tensorrt"].require()
    except BackendUnavailable as error:
        return str(error)
    return ""


def data_file(name: str) -> Path:
    """Where the evaluation data has `name`; a path that does not exist where there is no data."""
    return Path(os.environ.get(_DATA, f"${_DATA}")) / name


def files(*names: str) -> Missing:
    """Files of the evaluation data."""

    def missing() -> str:
        lost = [str(path) for path in map(data_file, names) if not path.exists()]
        return f"{lost[0]} is missing; {_DATA} names the folder of the evaluation data" if lost else ""

    return missing


def all_of(*needs: Missing) -> Missing:
    """The first reason of several."""
    return lambda: next((reason for need in needs if (reason := need())), "")


def gpu_facts() -> dict[str, Any] | None:
    """Name, memory and versions of the GPU; None where torch computes on none."""
    if not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(0)
    return {
        "name": properties.name,
        "memory_bytes": properties.total_memory,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }
