"""A built engine on an NVIDIA GPU; torch owns the memory and the stream.

Written against the calls that TensorRT 10 and 11 and TensorRT-RTX 1.7 share.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from gdfq_export.backends.base import Array, ExecutedGraph, Images
from gdfq_export.backends.session import PiecewiseSession, where
from gdfq_export.backends.tensorrt.build import build_engine
from gdfq_export.backends.tensorrt.package import find_package
from gdfq_export.errors import BackendUnavailable, InputError

__all__ = ["TensorRtSession"]

_lock = threading.Lock()


class TensorRtSession(PiecewiseSession):
    """One file as an engine; inner tensors do not exist in it."""

    def __init__(self, model: Path | bytes, batch: int) -> None:
        self._built = build_engine(model, batches=(1, 1, batch))
        api = find_package().api
        with _lock:
            self._runtime = api.Runtime(api.Logger(api.Logger.ERROR))
            self._engine = self._runtime.deserialize_cuda_engine(self._built.data)
        if self._engine is None:
            raise BackendUnavailable(
                f"{self._built.runtime} built an engine of {where(model)} that does not run on this GPU "
                f"({torch.cuda.get_device_name()})"
            )
        self._context = self._engine.create_execution_context()
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        modes = {name: self._engine.get_tensor_mode(name) for name in names}
        self._image = next(name for name in names if modes[name] == api.TensorIOMode.INPUT)
        outputs = [name for name in names if modes[name] == api.TensorIOMode.OUTPUT]
        first = self._engine.get_tensor_shape(self._image)[0]
        super().__init__(model, outputs, batch if first == -1 else first, fixed=first != -1)
        self._stream = torch.cuda.Stream()  # the default stream would make TensorRT synchronise

    def describe(self) -> ExecutedGraph:
        """The engine's layers.

        Raises:
            BackendUnavailable: this TensorRT does not list them in its build log.
        """
        if self._built.graph is None:
            raise BackendUnavailable(f"{self._built.runtime} does not list the layers of an engine while it builds it")
        return self._built.graph

    def _execute(self, images: Images, names: Sequence[str]) -> Sequence[Array]:
        with torch.cuda.stream(self._stream):
            x = torch.from_numpy(images).to("cuda", non_blocking=True)
            if not self._context.set_input_shape(self._image, tuple(x.shape)):
                raise InputError(f"{where(self._source)} cannot run images of shape {list(images.shape)}")
            self._context.set_tensor_address(self._image, x.data_ptr())
            results: dict[str, Any] = {}
            for name in self._outputs:
                shape = tuple(self._context.get_tensor_shape(name))
                results[name] = torch.empty(shape, dtype=torch.float32, device="cuda")
                self._context.set_tensor_address(name, results[name].data_ptr())
            if not self._context.execute_async_v3(self._stream.cuda_stream):
                raise InputError(f"{where(self._source)}: TensorRT could not run the engine")
        self._stream.synchronize()
        return [results[name].cpu().numpy() for name in names]
