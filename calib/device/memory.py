"""Keeping what is read again and again where it is computed with, as far as memory goes."""

from __future__ import annotations

import torch
from torch import Tensor

from calib.device.transfer import Device, is_accelerator, send

_MOST = 0.25  # of the memory that is free, for images that stay


def free_bytes(device: Device) -> int:
    """Bytes that a GPU has left for new tensors: what nobody holds, and what torch holds without using it."""
    free, _ = torch.cuda.mem_get_info(device)
    return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))


def near(images: Tensor, device: Device) -> Tensor:
    """The images on `device`, if a quarter of what is free there holds them; else, and on a CPU, themselves.

    Args:
        images: [N, ...], on the CPU.
        device: where they are computed with, batch by batch.
    """
    if not is_accelerator(device) or images.nbytes > _MOST * free_bytes(device):
        return images
    return send(images, device)
