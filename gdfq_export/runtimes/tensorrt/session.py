"""A built engine on an NVIDIA GPU; torch owns the memory, the stream and the events that time it.

Uses only calls that TensorRT 10, TensorRT 11 and TensorRT-RTX 1.7 share.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.runtimes.base import Array, ExecutedGraph, Images
from gdfq_export.runtimes.session import Session, parts_of, where
from gdfq_export.runtimes.tensorrt.builder import collected_log
from gdfq_export.runtimes.tensorrt.inspector import inspected_graph
from gdfq_export.runtimes.tensorrt.package import Package
from gdfq_export.support.text import counted

_TYPES = {"FLOAT": torch.float32, "HALF": torch.float16, "BF16": torch.bfloat16}
_DEVICE = "cuda"
_lock = threading.Lock()


class TensorRtSession(Session):
    """One engine; inner tensors do not exist in it.

    Args:
        source: the file that is run, for messages: an engine, or what one was built from.
        engine: the engine itself.
        package: the TensorRT that built it.
        graph: its layers, where they are known from the build.

    Raises:
        BackendUnavailable: this GPU does not run the engine.
        InputError: the engine takes more than images, or numbers that no network takes.
    """

    clock = "CUDA events on the GPU, copies of images and answers left out"

    def __init__(
        self, source: Path | bytes, engine: bytes, package: Package, *, graph: ExecutedGraph | None = None
    ) -> None:
        api, self._package, self._graph = package.api, package, graph
        self._log = collected_log(api)
        with _lock:
            self._runtime = api.Runtime(self._log)
            self._engine = self._runtime.deserialize_cuda_engine(engine)
            self._context: Any = None if self._engine is None else self._engine.create_execution_context()
        if self._context is None:
            raise self._refused(source)
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        self._inputs = [name for name in names if self._engine.get_tensor_mode(name) == api.TensorIOMode.INPUT]
        outputs = [name for name in names if name not in self._inputs]
        if not self._inputs or not outputs:
            found = f"{len(self._inputs)} inputs and {len(outputs)} outputs"
            raise InputError(f"{where(source)} has {found}; a network has at least one of each")
        self._types = {name: _type(source, name, self._engine.get_tensor_dtype(name).name) for name in names}
        batch, fixed = self._largest_batch()
        super().__init__(source, outputs, batch, fixed=fixed)
        self._stream = torch.cuda.Stream()  # the default stream would make TensorRT synchronise

    def _refused(self, source: Path | bytes) -> BackendUnavailable:
        said = [text for severity, text in self._log.messages if severity == "error"] or ["no reason given"]
        return BackendUnavailable(
            f"{where(source)}: {self._package.title} does not run its engine on this GPU "
            f"({torch.cuda.get_device_name()}): {said[-1]}; build it again here with gdfq-export build"
        )

    def _largest_batch(self) -> tuple[int, bool]:
        """Most images of a run, and whether a run takes exactly that many."""
        batch = self._engine.get_tensor_shape(self._inputs[0])[0]
        if batch != -1:
            return batch, True
        least, _, most = (shape[0] for shape in self._engine.get_tensor_profile_shape(self._inputs[0], 0))
        return most, least > 1

    def describe(self) -> ExecutedGraph:
        """The engine's layers: as the build listed them, or as its inspector does.

        Raises:
            BackendUnavailable: neither does.
        """
        if self._graph is None:
            for name in self._inputs:
                shape = (self._batch, *self._engine.get_tensor_shape(name)[1:])
                if -1 not in shape:
                    self._context.set_input_shape(name, shape)
            inspector = self._engine.create_engine_inspector()
            inspector.execution_context = self._context
            text = inspector.get_engine_information(self._package.api.LayerInformationFormat.JSON)
            self._graph = inspected_graph(text, self._package.title, self._inputs, self._outputs)
        return self._graph

    def timer(self, images: Images) -> Callable[[], float]:
        """Runs `images` that are on the GPU already and gives the milliseconds between two CUDA events around the run.

        Raises:
            InputError: the engine does not take as many images at once, or not of this shape.
        """
        if len(images) > self._batch or (self._fixed and len(images) < self._batch):
            exactly = "exactly" if self._fixed else "at most"
            most = counted(self._batch, "image")
            raise InputError(
                f"{where(self._source)} takes {exactly} {most} a run, not {len(images)}; time it with --batch "
                f"{self._batch}, or build it for more with gdfq-export build --batch"
            )
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        with torch.cuda.stream(self._stream):
            tensors = self._place(np.ascontiguousarray(images, dtype=np.float32))

        def run() -> float:
            with torch.cuda.stream(self._stream):
                self._bind(tensors)
                begin.record()
                self._enqueue()
                end.record()
            end.synchronize()
            return float(begin.elapsed_time(end))

        return run

    def _execute(self, images: Images, names: Sequence[str]) -> Sequence[Array]:
        with torch.cuda.stream(self._stream):
            tensors = self._place(images)
            self._bind(tensors)
            self._enqueue()
        self._stream.synchronize()
        return [tensors[name].float().cpu().numpy() for name in names]

    def _place(self, images: Images) -> dict[str, Tensor]:
        """The images on the GPU, and room for what comes of them."""
        parts = parts_of(self._source, images, [self._engine.get_tensor_shape(name) for name in self._inputs])
        tensors = {}
        for name, part in zip(self._inputs, parts, strict=True):
            if not self._context.set_input_shape(name, tuple(part.shape)):
                raise InputError(f"{where(self._source)} cannot run images of shape {list(part.shape)}")
            given = torch.from_numpy(np.ascontiguousarray(part))
            tensors[name] = given.to(_DEVICE, self._types[name], non_blocking=True)
        for name in self._outputs:
            shape = tuple(self._context.get_tensor_shape(name))
            tensors[name] = torch.empty(shape, dtype=self._types[name], device=_DEVICE)
        return tensors

    def _bind(self, tensors: dict[str, Tensor]) -> None:
        for name in self._inputs:
            self._context.set_input_shape(name, tuple(tensors[name].shape))
        for name, tensor in tensors.items():
            self._context.set_tensor_address(name, tensor.data_ptr())

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(self._stream.cuda_stream):
            raise InputError(f"{where(self._source)}: TensorRT could not run the engine")


def _type(source: Path | bytes, name: str, kind: str) -> torch.dtype:
    if kind not in _TYPES:
        raise InputError(f"{where(source)} has {kind} as {name}; images and answers are one of {', '.join(_TYPES)}")
    return _TYPES[kind]
