"""Which TensorRT is found, and what is said where there is none, or no GPU for it."""

from __future__ import annotations

import ctypes
import importlib
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.runtimes import tensorrt
from gdfq_export.runtimes.tensorrt import TensorRt, package
from gdfq_export.runtimes.tensorrt.package import find_package, reason_against_gpu


def install(monkeypatch: pytest.MonkeyPatch, **modules: ModuleType | None) -> None:
    """Let these be all there is of `tensorrt` and `tensorrt_rtx`."""
    for name in ("tensorrt", "tensorrt_rtx"):
        monkeypatch.setitem(sys.modules, name, modules.get(name))


def module(name: str, **contents: object) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(contents)
    return made


class Driver:
    """libcuda, as far as it is asked."""

    def __init__(self, *, init: int = 0, count: int = 1, counted: int = 0) -> None:
        self.init, self.count, self.counted = init, count, counted

    def cuInit(self, flags: int) -> int:
        return self.init

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = self.count
        return self.counted


def drive(monkeypatch: pytest.MonkeyPatch, driver: Driver | None) -> None:
    def load(name: str) -> Driver:
        if driver is None:
            raise OSError(f"{name}: cannot open shared object file")
        return driver

    monkeypatch.setattr(package, "ctypes", SimpleNamespace(CDLL=load, c_int=ctypes.c_int, byref=ctypes.byref))


def test_tensorrt_comes_before_tensorrt_rtx(monkeypatch: pytest.MonkeyPatch) -> None:
    full, light = module("tensorrt", Builder=1, __version__="11.0"), module("tensorrt_rtx", Builder=1)
    install(monkeypatch, tensorrt=full, tensorrt_rtx=light)
    found = find_package()
    assert (found.name, found.version, found.builds_without_gpu) == ("tensorrt", "11.0", False)
    assert found.api is full


def test_tensorrt_rtx_alone_will_do_and_needs_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tensorrt_rtx=module("tensorrt_rtx", Builder=1, __version__="1.7"))
    found = find_package()
    assert (found.name, found.version, found.builds_without_gpu) == ("tensorrt_rtx", "1.7", True)


def test_without_either_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    with pytest.raises(BackendUnavailable, match=r"TensorRT is not installed .*gdfq-export\[tensorrt-rtx\]") as caught:
        find_package()
    assert "tensorrt: " in str(caught.value) and "tensorrt_rtx: " in str(caught.value)


def test_a_package_without_a_builder_is_passed_over_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tensorrt=module("tensorrt"))
    with pytest.raises(BackendUnavailable, match="tensorrt has no Builder"):
        find_package()
    install(monkeypatch, tensorrt=module("tensorrt"), tensorrt_rtx=module("tensorrt_rtx", Builder=1))
    assert find_package().name == "tensorrt_rtx"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError("libnvinfer.so.11: not found\nstack\nstack"), "libnvinfer.so.11: not found"),
        (RuntimeError(), "Runtime"),
    ],
)
def test_whatever_a_binding_raises_is_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception, said: str) -> None:
    def load(name: str) -> ModuleType:
        raise error

    monkeypatch.setattr(package, "importlib", SimpleNamespace(import_module=load))
    with pytest.raises(BackendUnavailable, match=f"tensorrt: {said}") as caught:
        find_package()
    assert "\n" not in str(caught.value)
    assert importlib.import_module is not load


@pytest.mark.parametrize(
    ("driver", "reason"),
    [
        (None, "libcuda.so.1 is not found"),
        (Driver(init=100), "cuInit returns 100"),
        (Driver(count=0), "sees no GPU"),
        (Driver(counted=3), "sees no GPU"),
    ],
    ids=["no driver", "a driver that does not start", "no GPU", "GPUs that cannot be counted"],
)
def test_why_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch, driver: Driver | None, reason: str) -> None:
    drive(monkeypatch, driver)
    assert reason in reason_against_gpu()


def test_with_a_gpu_there_is_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    drive(monkeypatch, Driver())
    assert reason_against_gpu() == ""


@pytest.mark.parametrize("act", ["require", "load"])
def test_nothing_runs_without_a_gpu(monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    monkeypatch.setattr(tensorrt, "reason_against_gpu", lambda: "the NVIDIA driver sees no GPU")
    with pytest.raises(BackendUnavailable, match="runs on NVIDIA GPUs only: the NVIDIA driver sees no GPU"):
        TensorRt().require() if act == "require" else TensorRt().load(b"", 1)


def test_a_gpu_without_tensorrt_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt, "reason_against_gpu", lambda: "")
    install(monkeypatch)
    with pytest.raises(BackendUnavailable, match="TensorRT is not installed"):
        TensorRt().require()


def test_nothing_is_examined_without_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    with pytest.raises(BackendUnavailable, match="TensorRT is not installed"):
        TensorRt().examine(b"")


def test_an_engine_has_no_inner_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt, "reason_against_gpu", lambda: "")
    install(monkeypatch, tensorrt_rtx=module("tensorrt_rtx", Builder=1))
    with pytest.raises(InputError, match="no inner tensors"):
        TensorRt().load(b"", 1, taps=["r_q"])
