"""Engines: what runs on integers in them, how the build log is read, and what is said where none is built."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from gdfq_export.backends.base import ExecutedGraph
from gdfq_export.backends.tensorrt import build, build_engine
from gdfq_export.backends.tensorrt.package import Package
from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.recipe import Bits
from tests import tiny_graph
from tests.fully_connected import fully_connected
from tests.simulator.quantized import quantize
from tests.simulator.random_network import CHANNELS, CLASSES, SIDE, Network
from tests.verify.quantized_classifier import classifier

SKIP = "pip install 'gdfq-export[tensorrt-rtx]'"
INTEGER_LAYER = (
    "Name: Conv_c_myl0_2, LayerType: correlation, Inputs: [ { Name: __mye782c_9_myl0, Dimensions: [-1,4,6,6], "
    "Strides: [144,1,24,4], StrideOrder: [3,0,2,1], Datatype: Int8, Format: (NHWC) Channel major format }], "
    "Constants: [ { Name: __mye1018dconst_myl0, Dimensions: [8,4,3,3], Strides: [36,1,12,4], StrideOrder: [3,0,2,1], "
    "Datatype: Int8, Format: (NHWC) Channel major format }], "
    "Outputs: [ { Name: __myln_k_arg__bb1_10_myl0, Dimensions: [-1,8,6,6], Strides: [288,1,48,8], "
    "StrideOrder: [3,0,2,1], Datatype: Float, Format: (NHWC) Channel major format }], "
    "TacticName: __myelin_CASK_STUB, StreamId: 0, Metadata: [ONNX Layer: Conv_c]\x1f[ONNX Layer: DequantizeLinear_x_dq]"
)
NO_LAYER = (
    "Name: __mye385_0_myl0_0, LayerType: shape_call, Inputs: [], Constants: [], Outputs: [], TacticName: , "
    "StreamId: 0, Metadata: "
)


@pytest.fixture
def runtime() -> None:
    pytest.importorskip("tensorrt_rtx", reason=SKIP)


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A TensorRT that needs no GPU, on a machine that may have none."""
    package = Package(name="tensorrt_rtx", version="1.7", builds_without_gpu=True, api=None)
    monkeypatch.setattr(build, "find_package", lambda: package)


@pytest.mark.usefixtures("runtime")
def test_weights_in_blocks_build() -> None:
    engine = build_engine(quantize(fully_connected(), Bits(blocks=32), "tensorrt").file.SerializeToString())
    assert engine.graph is not None
    kinds = {node.kind for node in engine.graph.nodes if "Conv_c" in node.name}
    assert "integer compute" in kinds and "float compute" not in kinds


def residual_network(batch: int | str = "batch") -> onnx.ModelProto:
    """Conv_t0 and Relu, Conv_t2, an Add that skips it, a Relu, and Gemm_t7."""
    net = Network(0)
    net.conv(CHANNELS)
    entry = net.add("Relu", [net.at])
    net.conv(CHANNELS)
    net.add("Add", [net.at, entry])
    net.add("Relu", [net.at])
    net.add("GlobalAveragePool", [net.at], (CHANNELS, 1, 1))
    net.add("Flatten", [net.at])
    net.add("Gemm", [net.at, net.weights(CLASSES, CHANNELS)], transB=1)
    return tiny_graph.model(
        nodes=net.nodes, inputs={"x": (batch, 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )


LAYERS = ["Conv_t0", "Conv_t2", "Gemm_t7"]


def compute(model: onnx.ModelProto | Path) -> list[tuple[str, str]]:
    """Name and kind of every layer of an engine."""
    graph = build_engine(model if isinstance(model, Path) else model.SerializeToString()).graph
    assert graph is not None
    return sorted((node.name, node.kind) for node in graph.nodes if node.kind.endswith("compute"))


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("bits", [8, 4])
def test_every_layer_of_a_file_for_tensorrt_is_integer(bits: int) -> None:
    file = quantize(residual_network(), Bits(weights=bits, activations=bits), "tensorrt").file
    assert compute(file) == [(name, "integer compute") for name in LAYERS]


@pytest.mark.usefixtures("runtime")
def test_no_layer_of_a_float_file_is_integer() -> None:
    assert compute(residual_network()) == [(name, "float compute") for name in LAYERS]


@pytest.mark.usefixtures("runtime")
def test_layers_are_known_by_what_they_write_where_they_have_no_names() -> None:
    file = quantize(residual_network(), target="tensorrt").file
    for node in file.graph.node:
        node.name = ""
    assert [kind for _, kind in compute(file)] == ["integer compute"] * len(LAYERS)


@pytest.mark.usefixtures("runtime")
def test_a_name_may_hold_brackets_and_commas() -> None:
    file = quantize(residual_network(), target="tensorrt").file
    for node in file.graph.node:
        if node.name:
            node.name = f"blocks[0], {node.name}"
    assert compute(file) == [(f"blocks[0], {name}", "integer compute") for name in LAYERS]


@pytest.mark.usefixtures("runtime")
def test_weights_that_lie_beside_the_file_are_read(tmp_path: Path) -> None:
    path, file = tmp_path / "net.onnx", quantize(residual_network(), target="tensorrt").file
    onnx.save(file, path, save_as_external_data=True, location="net.data", size_threshold=0)
    assert compute(path) == [(name, "integer compute") for name in LAYERS]


@pytest.mark.usefixtures("runtime")
def test_a_convolution_whose_weights_alone_are_quantized_is_float() -> None:
    file = quantize(residual_network(), target="tensorrt").file
    (layer,) = (node for node in file.graph.node if node.name == "Conv_t2")
    (pair,) = (node for node in file.graph.node if node.output[0] == layer.input[0])
    (codes,) = (node for node in file.graph.node if node.output[0] == pair.input[0])
    layer.input[0] = codes.input[0]
    assert compute(file) == [(name, "float compute" if name == "Conv_t2" else "integer compute") for name in LAYERS]


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("batch", [2, "batch"])
def test_a_batch_may_be_fixed_or_open(batch: int | str) -> None:
    engine = build_engine(residual_network(batch).SerializeToString(), batches=(1, 4, 4))
    assert len(engine.data) > 1000 and engine.seconds > 0
    assert engine.runtime.startswith("tensorrt")
    assert engine.graph is not None and (engine.graph.inputs, engine.graph.outputs) == (("x",), ("t7",))


@pytest.mark.usefixtures("runtime")
def test_a_refused_file_names_the_node(tmp_path: Path) -> None:
    path = tmp_path / "uint8.onnx"
    onnx.save(classifier().quantized(), path)
    with pytest.raises(InputError, match=r"uint8\.onnx: tensorrt\S* \S+ refuses it: QuantizeLinear \S*image_quantized"):
        build_engine(path)


@pytest.mark.usefixtures("runtime")
def test_a_refused_node_without_a_name_is_called_by_its_output() -> None:
    model = classifier().quantized()
    for node in model.graph.node:
        node.name = ""
    with pytest.raises(InputError, match=r"refuses it: QuantizeLinear \S*image_quantized: "):
        build_engine(model.SerializeToString())


@pytest.mark.usefixtures("runtime")
def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(residual_network().SerializeToString()[:200])
    with pytest.raises(InputError, match=r"damaged\.onnx is no ONNX model") as caught:
        build_engine(path)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("pretended")
def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*missing\.onnx: No such file"):
        build_engine(tmp_path / "missing.onnx")


@pytest.mark.usefixtures("pretended")
@pytest.mark.parametrize(
    ("code", "said", "reason"),
    [
        (-11, "", r"it crashed \(SIGSEGV\)"),
        (-6, "Assertion failed\nin builder", r"it crashed \(SIGABRT\)"),
        (1, "Traceback\n  File\nMemoryError: no room", "MemoryError: no room"),
        (3, "", "exit code 3"),
        (0, "", "exit code 0"),
    ],
)
def test_a_process_that_dies_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, code: int, said: str, reason: str
) -> None:
    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, code, "", said)

    monkeypatch.setattr(build, "subprocess", SimpleNamespace(run=run))
    with pytest.raises(InputError, match=f"^the model in memory: TensorRT did not build an engine: {reason}$"):
        build_engine(residual_network().SerializeToString())


def test_a_tensorrt_that_builds_on_a_gpu_says_where_to_build_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    package = Package(name="tensorrt", version="11.0", builds_without_gpu=False, api=None)
    monkeypatch.setattr(build, "find_package", lambda: package)
    monkeypatch.setattr(build, "reason_against_gpu", lambda: "there is no driver")
    message = r"tensorrt 11\.0 builds on a GPU only: there is no driver; .*gdfq-export\[tensorrt-rtx\]"
    with pytest.raises(BackendUnavailable, match=message):
        build_engine(residual_network().SerializeToString())


def graph_of(log: str, *layers: str) -> ExecutedGraph:
    """The graph of a build log and a file of Conv `layers` one behind the other."""
    values = ["x", *layers]
    nodes: list[tiny_graph.Node] = [
        ("Conv", [before, "w"], [after]) for before, after in zip(values, layers, strict=False)
    ]
    weight = np.ones((3, 3, 1, 1), np.float32)
    file = tiny_graph.model(nodes=nodes, inputs={"x": (1, 3, 4, 4)}, outputs=[values[-1]], initializers={"w": weight})
    return build._graph(log, file, "tensorrt_rtx 1.7")


def test_a_line_of_the_log_is_a_layer_with_its_types() -> None:
    node, names = build._layer(INTEGER_LAYER)
    assert (node.name, node.op_type, node.kind) == ("Conv_c", "correlation", "integer compute")
    assert (node.inputs, node.outputs) == (("__mye782c_9_myl0",), ("__myln_k_arg__bb1_10_myl0",))
    assert names == ("Conv_c", "DequantizeLinear_x_dq")


def test_a_layer_that_reads_floats_is_float_whatever_its_weights_are() -> None:
    node, _ = build._layer(INTEGER_LAYER.replace("Datatype: Int8", "Datatype: Float", 1))
    assert node.kind == "float compute"


def test_a_line_without_tensors_is_no_layer() -> None:
    node, names = build._layer(NO_LAYER)
    assert (node.name, node.op_type, node.kind) == ("__mye385_0_myl0_0", "shape_call", "other")
    assert node.inputs == node.outputs == names == ()


def test_a_layer_of_the_file_that_the_log_does_not_name_counts_as_float() -> None:
    graph = graph_of(f"Layers:\n{NO_LAYER}\n{INTEGER_LAYER}\n", "c", "d")
    kinds = {node.name: node.kind for node in graph.nodes if node.kind.endswith("compute")}
    assert kinds == {"Conv_c": "integer compute", "Conv_d": "float compute"}
