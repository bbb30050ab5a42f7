from __future__ import annotations

import pytest
import torch

from calib.device.memory import free_bytes, near
from tests.gpu_stand_in import DEVICE, StandInGpu


def test_images_go_to_a_device_once_if_a_quarter_of_what_is_free_holds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.ones(8, 2)  # 64 bytes
    for free, moved in ((256, True), (255, False)):
        monkeypatch.setattr("calib.device.memory.free_bytes", lambda device, free=free: free)
        with StandInGpu() as gpu:
            assert near(images, DEVICE).is_meta is moved and gpu.sent == moved
    assert near(images, "cpu") is images


def test_what_torch_holds_without_using_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 50)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 20)
    assert free_bytes("cuda") == 130
