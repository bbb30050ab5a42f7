"""OpenVINO on the CPU. Layers that are not integer run in float32; OpenVINO's default on newer CPUs is bfloat16.

Each batch size is compiled separately, with a static shape. `describe` reads OpenVINO's execution graph
(`CompiledModel.get_runtime_model`), which has the precision of each layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.runtimes.base import Array, ExecutedGraph, ExecutedNode, Images, Kind
from gdfq_export.runtimes.session import Session, as_taken, first_line, where

if TYPE_CHECKING:
    import openvino

_BATCH = 64
_INTEGERS = ("u8", "i8")
_COMPUTE = frozenset({"Convolution", "BinaryConvolution", "Deconvolution", "FullyConnected", "MatMul"})
_LAYOUT = frozenset({"Reorder", "Reshape", "Transpose"})
_NOT_EXECUTED = frozenset({"Const", "Input", "Output"})
_PARTS = ("/DequantizationMultiply", "/WithoutBiases")  # suffixes of a layer whose bias or scale is a node of its own


class OpenVino:
    """The `openvino` package with its CPU plugin."""

    name = "openvino"
    title = "OpenVINO"

    def require(self) -> None:
        """Do nothing where OpenVINO is installed.

        Raises:
            BackendUnavailable: it is not.
        """
        _core()

    def examine(self, model: Path | bytes) -> ExecutedGraph:
        """The graph as it is executed; what `load` raises."""
        return self.load(model, 1).describe()

    def load(
        self, model: Path | bytes, threads: int, *, taps: Sequence[str] = (), batch: int = _BATCH
    ) -> OpenVinoSession:
        """Load a file; at most `batch` images go through the runtime at a time.

        Raises:
            InputError: OpenVINO does not accept the file, or it is not one image input `[N, C, H, W]`.
            BackendUnavailable: OpenVINO is not installed.
        """
        return OpenVinoSession(model, threads, taps=taps, batch=batch)


class OpenVinoSession(Session):
    """One file in OpenVINO."""

    def __init__(self, model: Path | bytes, threads: int, *, taps: Sequence[str] = (), batch: int = _BATCH) -> None:
        self._core = _core()
        self._settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
        }
        self._compiled: dict[tuple[int, ...], openvino.CompiledModel] = {}
        self._model = _read(self._core, model)
        outputs = [str(output.get_any_name()) for output in self._model.outputs]
        inner = [name for name in taps if name not in outputs]
        _require_tensors(self._model, inner, where(model))
        self._model.add_outputs(inner)
        sizes = _image_shape(self._model, where(model))
        self._sizes = [size.get_length() if size.is_static else None for size in sizes]
        self._pixels = self._model.inputs[0].element_type.to_string() == "u8"
        count = sizes[0]
        fixed = count.is_static
        super().__init__(model, outputs, count.get_length() if fixed else batch, fixed=fixed, taps=inner)

    def describe(self) -> ExecutedGraph:
        """The execution graph for one image, taps not included."""
        model = _read(self._core, self._source)
        model.reshape([1, *(-1 if size is None else size for size in self._sizes[1:])])
        runtime = self._core.compile_model(model, "CPU", self._settings).get_runtime_model()
        operations = [(operation, _fact(operation, "layerType")) for operation in runtime.get_ordered_ops()]
        return ExecutedGraph(
            runtime="OpenVINO",
            nodes=tuple(
                _executed(operation, kind_of) for operation, kind_of in operations if kind_of not in _NOT_EXECUTED
            ),
            inputs=tuple(operation.get_friendly_name() for operation, kind in operations if kind == "Input"),
            outputs=tuple(_sources(operation)[0] for operation, kind in operations if kind == "Output"),
            constants=frozenset(operation.get_friendly_name() for operation, kind in operations if kind == "Const"),
            integer_kernels=frozenset(),
        )

    def _execute(self, images: Images, names: Sequence[str]) -> Sequence[Array]:
        taken = as_taken(images, self._sizes, pixels=self._pixels)
        results = self._compile(taken.shape)(taken)
        return [np.array(results[self._outputs.index(name)]) for name in names]

    def _compile(self, shape: tuple[int, ...]) -> openvino.CompiledModel:
        if shape not in self._compiled:
            try:
                model = self._model.clone()
                model.reshape(list(shape))
                self._compiled[shape] = self._core.compile_model(model, "CPU", self._settings)
            except Exception as error:
                raise InputError(
                    f"{where(self._source)} cannot run images of shape {list(shape)} in OpenVINO (its input is "
                    f"{self._model.inputs[0].partial_shape}): {first_line(error)}"
                ) from error
        return self._compiled[shape]


def _core() -> openvino.Core:
    try:
        import openvino
    except ImportError as error:
        raise BackendUnavailable(
            "the target openvino is verified in OpenVINO, which is not installed; pip install 'gdfq-export[openvino]', "
            "or choose another --target"
        ) from error
    return openvino.Core()


def _read(core: openvino.Core, source: Path | bytes) -> openvino.Model:
    try:
        return core.read_model(source if isinstance(source, bytes) else str(source))
    except Exception as error:  # the binding raises RuntimeError for everything
        raise InputError(f"{where(source)}: OpenVINO does not load it: {first_line(error)}") from error


def _image_shape(model: openvino.Model, name: str) -> Any:
    inputs = model.inputs
    if len(inputs) != 1 or len(inputs[0].partial_shape) < 2 or inputs[0].element_type.to_string() not in ("f32", "u8"):
        found = ", ".join(f"{each.element_type} {each.partial_shape}" for each in inputs)
        raise InputError(f"{name} takes {found}; give a network with one batch of float or uint8 as its input")
    return inputs[0].partial_shape


def _require_tensors(model: openvino.Model, names: Sequence[str], name: str) -> None:
    known = {known for operation in model.get_ops() for output in operation.outputs() for known in output.get_names()}
    if missing := [each for each in names if each not in known]:
        raise InputError(f"{name} computes no tensor named {', '.join(missing)}; name outputs of its nodes")


def _executed(operation: Any, layer_type: str) -> ExecutedNode:
    name = _fact(operation, "originalLayersNames").split(",")[0] or operation.get_friendly_name()
    for part in _PARTS:
        name = name.removesuffix(part)
    return ExecutedNode(
        name=name,
        op_type=layer_type,
        kind=_kind(layer_type, _fact(operation, "runtimePrecision")),
        inputs=_sources(operation),
        outputs=(operation.get_friendly_name(),),
    )


def _kind(layer_type: str, precision: str) -> Kind:
    if layer_type in _COMPUTE:
        return "integer compute" if precision in _INTEGERS else "float compute"
    if layer_type == "FakeQuantize":
        return "quantize"
    return "layout" if layer_type in _LAYOUT else "other"


def _sources(operation: Any) -> tuple[str, ...]:
    return tuple(each.get_source_output().get_node().get_friendly_name() for each in operation.inputs())


def _fact(operation: Any, key: str) -> str:
    return str(operation.get_rt_info()[key].astype(str))
