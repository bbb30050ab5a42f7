"""Engines: what runs on integers in them, and what is said where none is built."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.recipe import Bits
from gdfq_export.runtimes.tensorrt import build, build_engine
from gdfq_export.runtimes.tensorrt.package import Package
from gdfq_export.support.named_bytes import NamedBytes
from tests import tiny_graph
from tests.fully_connected import fully_connected
from tests.jobs.verify.quantized_classifier import classifier
from tests.simulator.quantized import quantize
from tests.simulator.random_network import CHANNELS, CLASSES, SIDE, Network

RTX = "tensorrt_rtx"
SKIP = "pip install 'gdfq-export[tensorrt-rtx]'"


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
def test_a_file_whose_image_size_is_open_is_refused() -> None:
    proto = tiny_graph.model(nodes=[("Relu", ["x"], ["y"])], inputs={"x": ("batch", 3, "h", "w")}, outputs=["y"])
    with pytest.raises(InputError, match="the size of its input x is open, and an engine is built for one; store the"):
        build_engine(proto.SerializeToString())


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


@pytest.mark.usefixtures("runtime")
def test_tensorrt_rtx_has_no_timing_cache_and_says_so(tmp_path: Path) -> None:
    engine = build_engine(residual_network().SerializeToString(), timing_cache=tmp_path / "cache", package=RTX)
    (said,) = engine.warnings
    assert "tensorrt_rtx" in said and "has no timing cache, so none is read or written" in said
    assert not (tmp_path / "cache").exists()
    assert build_engine(residual_network().SerializeToString(), package=RTX).warnings == ()


def test_a_timing_cache_is_read_and_written_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = Package(name="tensorrt", version="11.0", builds_without_gpu=False, api=None)
    monkeypatch.setattr(build, "find_package", lambda: package)
    monkeypatch.setattr(build, "reason_against_gpu", lambda: "")

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        request = json.loads(Path(command[-1]).read_text())
        assert request["package"] == "tensorrt"
        Path(request["engine"]).write_bytes(b"an engine")
        Path(request["tactics"]).write_bytes(Path(request["known_tactics"]).read_bytes() + b", and new ones")
        Path(request["answer"]).write_text(json.dumps({"layers": "", "warnings": []}))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(build, "subprocess", SimpleNamespace(run=run))
    cache = tmp_path / "cache"
    cache.write_bytes(b"known ones")
    engine = build_engine(residual_network().SerializeToString(), timing_cache=cache)
    assert cache.read_bytes() == b"known ones, and new ones"
    assert (engine.data, engine.runtime, engine.warnings) == (b"an engine", "tensorrt 11.0", ())


def test_the_builder_loads_nothing_else_of_the_project() -> None:
    """Torch alone would take longer to load than a small engine to build."""
    program = "import sys, runpy; runpy.run_path(sys.argv[1]); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, build._BUILDER], capture_output=True, text=True, check=True
    )
    assert not {"torch", "onnx", "numpy", "gdfq_export"} & set(done.stdout.split())


@pytest.mark.usefixtures("pretended")
def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.onnx does not exist"):
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
    with pytest.raises(InputError, match=f"^net.onnx: TensorRT did not build an engine: {reason}$"):
        build_engine(NamedBytes(residual_network().SerializeToString(), "net.onnx"))


def test_a_tensorrt_that_builds_on_a_gpu_says_where_to_build_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    package = Package(name="tensorrt", version="11.0", builds_without_gpu=False, api=None)
    monkeypatch.setattr(build, "find_package", lambda: package)
    monkeypatch.setattr(build, "reason_against_gpu", lambda: "there is no driver")
    message = r"tensorrt 11\.0 builds on a GPU only: there is no driver; .*gdfq-export\[tensorrt-rtx\]"
    with pytest.raises(BackendUnavailable, match=message):
        build_engine(residual_network().SerializeToString())
