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
from gdfq_export.runtimes.session import Session, as_taken, first_line, parts_of, where

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
        self._compiled: dict[tuple[tuple[int, ...], ...], openvino.CompiledModel] = {}
        self._model = _read(self._core, model)
        outputs = [str(output.get_any_name()) for output in self._model.outputs]
        inner = [name for name in taps if name not in outputs]
        _require_tensors(self._model, inner, where(model))
        self._model.add_outputs(inner)
        shapes = _batch_shapes(self._model, where(model))
        self._sizes = [[size.get_length() if size.is_static else None for size in shape] for shape in shapes]
        self._pixels = [each.element_type.to_string() == "u8" for each in self._model.inputs]
        fixed = next((sizes[0] for sizes in self._sizes if sizes[0] is not None), None)
        super().__init__(model, outputs, batch if fixed is None else fixed, fixed=fixed is not None, taps=inner)

    def describe(self) -> ExecutedGraph:
        """The execution graph for one image, or for the batch that the file is fixed to, taps not included."""
        model = _read(self._core, self._source)
        batch = self._batch if self._fixed else 1
        shapes = [[batch, *(-1 if size is None else size for size in sizes[1:])] for sizes in self._sizes]
        model.reshape(dict(zip(model.inputs, shapes, strict=True)))
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
        parts = parts_of(self._source, images, self._sizes)
        taken = [
            as_taken(part, sizes, pixels=pixels)
            for part, sizes, pixels in zip(parts, self._sizes, self._pixels, strict=True)
        ]
        results = self._compile(tuple(each.shape for each in taken))(taken)
        return [np.array(results[self._outputs.index(name)]) for name in names]

    def _compile(self, shapes: tuple[tuple[int, ...], ...]) -> openvino.CompiledModel:
        if shapes not in self._compiled:
            try:
                model = self._model.clone()
                model.reshape({port: list(shape) for port, shape in zip(model.inputs, shapes, strict=True)})
                self._compiled[shapes] = self._core.compile_model(model, "CPU", self._settings)
            except Exception as error:
                asked = " and ".join(str(list(shape)) for shape in shapes)
                taken = " and ".join(str(each.partial_shape) for each in self._model.inputs)
                raise InputError(
                    f"{where(self._source)} cannot run images of shape {asked} in OpenVINO (its input is "
                    f"{taken}): {first_line(error)}"
                ) from error
        return self._compiled[shapes]


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


def _batch_shapes(model: openvino.Model, name: str) -> list[Any]:
    inputs = model.inputs
    batches = (len(each.partial_shape) >= 2 and each.element_type.to_string() in ("f32", "u8") for each in inputs)
    if not inputs or not all(batches):
        found = ", ".join(f"{each.element_type} {each.partial_shape}" for each in inputs)
        raise InputError(f"{name} takes {found}; give a network that takes batches of float or uint8")
    return [each.partial_shape for each in inputs]


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
