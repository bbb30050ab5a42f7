"""Where a command computes: threads and device."""

from __future__ import annotations

from gdfq_export.errors import BackendUnavailable

__all__ = ["use_compute"]


def use_compute(device: str, threads: int | None) -> str:
    """Set torch's threads (None leaves them) and give the device to train on: `cpu` or `cuda`.

    Raises:
        BackendUnavailable: cuda was asked for and torch sees none.
    """
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise BackendUnavailable(
            "--device cuda: torch sees no CUDA device; use --device cpu, or install a driver and torch's CUDA build"
        )
    return "cuda" if available and device != "cpu" else "cpu"
