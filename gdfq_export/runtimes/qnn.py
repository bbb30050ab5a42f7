"""Qualcomm's neural processor (HTP) behind ONNX Runtime's QNN execution provider, the package `onnxruntime-qnn`.

On x86-64 the package brings Qualcomm's simulation of the processor. It says which nodes the processor takes and
computes its numbers, both without the processor; its time means nothing, so that `require` asks for the processor.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import onnx
import onnxruntime

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.runtimes.base import ExecutedGraph, ExecutedNode, Kind
from gdfq_export.runtimes.onnxruntime import OrtSession
from gdfq_export.runtimes.onnxruntime_operators import INTEGER_KERNELS, KINDS
from gdfq_export.runtimes.session import first_line, where

_QUIET = 4
_PROVIDER = "QNNExecutionProvider"
_BATCH = 64
_PAIR = ("QuantizeLinear", "DequantizeLinear")
_COPIED = re.compile("_token_[0-9]+$")
"""What ONNX Runtime appends to the name of a node that it writes again for images with channels last."""


class Qnn:
    """The `onnxruntime-qnn` package with its HTP backend."""

    name = "qnn"
    title = "ONNX Runtime QNN"

    def require(self) -> None:
        """Do nothing where the package is installed and the processor is there.

        Raises:
            BackendUnavailable: one of them is missing.
        """
        if not any(device.device.type == onnxruntime.OrtHardwareDeviceType.NPU for device in _devices()):
            raise BackendUnavailable(
                "this machine has no Qualcomm neural processor; run the file on a device that has one"
            )

    def examine(self, model: Path | bytes) -> ExecutedGraph:
        """The nodes by what takes them, found with Qualcomm's simulation where there is no processor.

        Raises:
            InputError: the provider does not accept the file.
            BackendUnavailable: the package is not installed.
        """
        return self.load(model, 1).describe()

    def load(self, model: Path | bytes, threads: int, *, taps: Sequence[str] = (), batch: int = _BATCH) -> QnnSession:
        """Load a file; nodes that the processor does not take run on the CPU.

        Raises:
            InputError: the provider does not accept the file.
            BackendUnavailable: the package is not installed.
        """
        return QnnSession(model, threads, taps=taps, batch=batch)


class QnnSession(OrtSession):
    """One file on the processor, or in its simulation."""

    def describe(self) -> ExecutedGraph:
        """The file's layers, integer where the processor takes them between pairs, and its other nodes."""
        source, taken = self._source, self._assigned(to_processor=True)
        proto = onnx.load_from_string(source) if isinstance(source, bytes) else onnx.load(source)
        writers = {name: node.op_type for node in proto.graph.node for name in node.output}

        def kind(node: onnx.NodeProto) -> Kind:
            usual = KINDS.get(node.op_type, "other")
            if usual != "float compute":
                return "other"
            between = all(writers.get(name) == "DequantizeLinear" for name in node.input[:2])
            return "integer compute" if between and node.name in taken else "float compute"

        return ExecutedGraph(
            runtime=Qnn.title,
            nodes=tuple(
                ExecutedNode(
                    name=node.name,
                    op_type=node.op_type,
                    kind=kind(node),
                    inputs=tuple(node.input),
                    outputs=tuple(node.output),
                )
                for node in proto.graph.node
                if node.op_type not in _PAIR
            ),
            inputs=tuple(value.name for value in proto.graph.input),
            outputs=tuple(value.name for value in proto.graph.output),
            constants=frozenset(tensor.name for tensor in proto.graph.initializer),
            integer_kernels=INTEGER_KERNELS,
        )

    @property
    def on_cpu(self) -> set[str]:
        """Names of the nodes that the processor does not take, but for QuantizeLinear and DequantizeLinear."""
        return self._assigned(to_processor=False)

    def _assigned(self, *, to_processor: bool) -> set[str]:
        """Names of the nodes that the processor takes, or that it does not."""
        return {
            _COPIED.sub("", node.name)
            for part in self._session.get_provider_graph_assignment_info()
            if (part.ep_name == _PROVIDER) is to_processor
            for node in part.get_nodes()
            if node.op_type not in _PAIR
        }

    def _open(self, model: Path | bytes, threads: int, *, as_written: bool) -> Any:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _QUIET
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        options.add_provider_for_devices(_devices(), {"backend_path": _package().get_qnn_htp_path()})
        try:
            return onnxruntime.InferenceSession(model if isinstance(model, bytes) else str(model), options)
        except Exception as error:  # the binding raises a dozen types of its own
            raise InputError(
                f"{where(model)}: ONNX Runtime's QNN provider does not load it: {first_line(error)}; "
                "gdfq-export inspect --target qnn names what it does not take"
            ) from error


def _package() -> ModuleType:
    """The package.

    Raises:
        BackendUnavailable: it cannot be imported.
    """
    try:
        return importlib.import_module("onnxruntime_qnn")
    except Exception as error:  # a broken installation raises more than ImportError
        raise BackendUnavailable(
            f"ONNX Runtime QNN is not installed ({first_line(error)}); pip install 'gdfq-export[qnn]'"
        ) from error


@functools.cache
def _register() -> None:
    """Make the provider known to ONNX Runtime, which takes it once in a process."""
    onnxruntime.register_execution_provider_library(_PROVIDER, _package().get_library_path())


def _devices() -> list[Any]:
    """The provider's devices: the processor, else the CPU that simulates it."""
    _register()
    found = [device for device in onnxruntime.get_ep_devices() if device.ep_name == _PROVIDER]
    processors = [device for device in found if device.device.type == onnxruntime.OrtHardwareDeviceType.NPU]
    return processors or found
