"""A TensorRT and a GPU that are not there: engines are a header and JSON, memory is the host's, time is counted.

An engine answers class k of an image with the sum of its pixels times `weights[k]`; the session computes on what lies
at the addresses it was given, so that a wrong shape, address or order of calls shows.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from gdfq_export.runtimes.tensorrt import engine_file, session
from gdfq_export.runtimes.tensorrt.package import Package

VERSION = "1.7.1.116"


def engine_bytes(magic: bytes = b"vtrt", version: str = VERSION, **facts: Any) -> bytes:
    """An engine with the header of a real one; `facts` are those of `_Engine`."""
    body = json.dumps(facts).encode()
    length = (28 + len(body)).to_bytes(8, "little")
    return magic + bytes(12) + length + bytes(map(int, version.split("."))) + body


def layer(name: str, kind: str = "CaskConvolution", reads: str = "Int8", **more: Any) -> dict[str, Any]:
    """A layer as the engine inspector lists it in TensorRT 10."""
    inputs = [{"Name": f"{name}_in", "Format/Datatype": f"Thirty-two wide channel vectorized row major {reads} format"}]
    return {"Name": name, "LayerType": kind, "Inputs": inputs, "Outputs": [{"Name": f"{name}_out"}], **more}


@dataclass
class Machine:
    """What happened on the device, in order, and its clock in milliseconds."""

    events: list[str] = field(default_factory=list)
    now: float = 0.0


def install(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Let there be TensorRT-RTX and a GPU."""
    machine = Machine()
    api = SimpleNamespace(
        ILogger=_Logger,
        Runtime=lambda log: _Runtime(machine, log),
        TensorIOMode=SimpleNamespace(INPUT="in", OUTPUT="out"),
        LayerInformationFormat=SimpleNamespace(JSON="json"),
    )
    package = Package(name="tensorrt_rtx", version=VERSION, builds_without_gpu=True, api=api)
    monkeypatch.setattr(engine_file, "find_package", lambda *names: package)
    monkeypatch.setattr(engine_file, "reason_against_gpu", lambda: "")
    monkeypatch.setattr(session, "_DEVICE", "cpu")
    monkeypatch.setattr(torch.cuda, "Stream", lambda: SimpleNamespace(cuda_stream=7, synchronize=lambda: None))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "Event", lambda enable_timing: _Event(machine))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU that is not there")
    return machine


class _Logger:
    Severity = SimpleNamespace(ERROR="E", INTERNAL_ERROR="I", WARNING="W")


class _Event:
    def __init__(self, machine: Machine) -> None:
        self.machine, self.at = machine, -1.0

    def record(self) -> None:
        self.machine.events.append("event")
        self.at = self.machine.now

    def synchronize(self) -> None:
        assert self.at >= 0

    def elapsed_time(self, end: _Event) -> float:
        return end.at - self.at


class _Runtime:
    def __init__(self, machine: Machine, log: Any) -> None:
        self.machine, self.log = machine, log

    def deserialize_cuda_engine(self, data: bytes) -> _Engine | None:
        facts = json.loads(data[28:])
        if "broken" in facts:
            self.log.log("E", facts["broken"])
            return None
        return _Engine(self.machine, facts)


class _Engine:
    """`weights` of the classes, `batch` fixed or [least, usual, most], `shape` of an image, names, types, layers."""

    def __init__(self, machine: Machine, facts: dict[str, Any]) -> None:
        self.machine = machine
        self.weights = np.array(facts.get("weights", [1, 2, 3]), np.float32)
        self.batch = facts.get("batch", [1, 4, 4])
        self.shape = tuple(facts.get("shape", (2, 3, 3)))
        self.names = facts.get("names", ["image", "logits"])
        self.inputs = facts.get("inputs", 1)
        self.type = facts.get("type", "FLOAT")
        self.milliseconds = facts.get("milliseconds", 1.0)
        self.layers = facts.get("layers", [])
        self.num_io_tensors = len(self.names)

    def create_execution_context(self) -> _Context:
        return _Context(self)

    def create_engine_inspector(self) -> Any:
        return _Inspector(self.layers)

    def get_tensor_name(self, index: int) -> str:
        return str(self.names[index])

    def get_tensor_mode(self, name: str) -> str:
        return "in" if self.names.index(name) < self.inputs else "out"

    def get_tensor_dtype(self, name: str) -> Any:
        return SimpleNamespace(name=self.type)

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        batch = self.batch if isinstance(self.batch, int) else -1
        return (batch, *(self.shape if self.get_tensor_mode(name) == "in" else (len(self.weights),)))

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        assert profile == 0
        return [(batch, *self.shape) for batch in self.batch]


class _Inspector:
    execution_context: Any = None

    def __init__(self, layers: list[Any]) -> None:
        self.layers = layers

    def get_engine_information(self, form: str) -> str:
        assert form == "json" and self.execution_context.given is not None, "types are listed for given shapes only"
        return json.dumps({"Layers": self.layers})


class _Context:
    def __init__(self, engine: _Engine) -> None:
        self.engine, self.given, self.addresses = engine, None, dict[str, int]()

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        batch = self.engine.batch
        least, most = (batch, batch) if isinstance(batch, int) else (batch[0], batch[2])
        taken = least <= shape[0] <= most and tuple(shape[1:]) == self.engine.shape
        self.given = shape if taken else self.given
        return taken

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        assert self.given is not None
        return (self.given[0], len(self.engine.weights))

    def set_tensor_address(self, name: str, address: int) -> None:
        self.engine.machine.events.append(f"bind {name}")
        self.addresses[name] = address

    def execute_async_v3(self, stream: int) -> bool:
        assert stream == 7 and self.given is not None
        self.engine.machine.events.append("run")
        self.engine.machine.now += self.engine.milliseconds
        images = _array(self.addresses[self.engine.names[0]], self.given)
        answers = _array(self.addresses[self.engine.names[-1]], (self.given[0], len(self.engine.weights)))
        answers[:] = images.reshape(self.given[0], -1).sum(axis=1)[:, None] * self.engine.weights
        return True


def _array(address: int, shape: tuple[int, ...]) -> np.ndarray:
    memory = (ctypes.c_float * int(np.prod(shape))).from_address(address)
    return np.frombuffer(memory, np.float32).reshape(shape)
