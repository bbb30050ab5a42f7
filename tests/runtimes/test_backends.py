"""What every runtime keeps of the protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from gdfq_export.errors import InputError
from gdfq_export.runtimes import BACKENDS
from gdfq_export.runtimes.base import Backend
from gdfq_export.runtimes.session import Session
from gdfq_export.support.named_bytes import NamedBytes
from tests import tiny_graph
from tests.jobs.verify.quantized_classifier import classifier, images


@pytest.fixture(params=["onnxruntime", "openvino"])
def backend(request: pytest.FixtureRequest) -> Backend:
    pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    return BACKENDS[request.param]


def load(backend: Backend, model: onnx.ModelProto, **options) -> Session:
    return backend.load(model.SerializeToString(), 1, **options)


def test_it_can_be_used_where_it_is_installed(backend: Backend) -> None:
    backend.require()
    assert load(backend, classifier().quantized()).output_names == ("logits",)


@pytest.mark.parametrize("count", [1, 3, 4, 9])
@pytest.mark.parametrize(("fixed", "batch"), [("batch", 4), (4, 64), (1, 64)])
def test_any_number_of_images_through_any_batch(backend: Backend, fixed: int | str, batch: int, count: int) -> None:
    network, pictures = classifier(), images(count)
    found = load(backend, network.quantized(batch=fixed), batch=batch).run(pictures)
    np.testing.assert_allclose(found, network.integers(pictures)["logits"], rtol=1e-6, atol=1e-6)


def test_taps_return_inner_tensors_with_their_type(backend: Backend) -> None:
    network, pictures = classifier(), images(5)
    session = load(backend, network.quantized(batch=2), taps=["hidden_quantized"])
    found = session.run_tensors(pictures, ["logits", "hidden_quantized"])
    assert found["hidden_quantized"].dtype == np.uint8
    assert np.array_equal(found["hidden_quantized"], network.integers(pictures)["hidden_quantized"])
    assert np.array_equal(found["logits"], session.run(pictures))


@pytest.mark.parametrize("batch", ["batch", 2])
def test_rows_of_an_image_that_are_folded_into_the_batch_are_all_returned(backend: Backend, batch: int | str) -> None:
    nodes = [("Reshape", ["x", "rows"], ["folded"]), ("Relu", ["folded"], ["y"])]
    model = tiny_graph.model(
        nodes=nodes, inputs={"x": (batch, 3, 2, 2)}, outputs=["y"], initializers={"rows": np.array([-1, 4])}
    )
    pictures = np.random.default_rng(0).random((5, 3, 2, 2), dtype=np.float32)
    assert np.array_equal(load(backend, model).run(pictures), pictures.reshape(15, 4))


def test_taps_are_not_described(backend: Backend) -> None:
    model = classifier().quantized()
    tapped, plain = (load(backend, model, **options).describe() for options in ({"taps": ["hidden_quantized"]}, {}))
    assert [(node.op_type, node.kind) for node in tapped.nodes] == [(node.op_type, node.kind) for node in plain.nodes]
    assert len(tapped.outputs) == 1


def test_a_path_and_its_bytes_are_the_same(backend: Backend, tmp_path: Path) -> None:
    path, model, pictures = tmp_path / "m.onnx", classifier().quantized(), images(3)
    onnx.save(model, path)
    assert np.array_equal(backend.load(path, 2).run(pictures), load(backend, model).run(pictures))


def an_input_without_batch() -> onnx.ModelProto:
    return tiny_graph.model(nodes=[("Add", ["a", "b"], ["y"])], inputs={"a": (1, 1, 2, 2), "b": (2,)}, outputs=["y"])


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda backend: backend.load(NamedBytes(b"not a model", "net.onnx"), 1), "net.onnx: .* does not load it"),
        (lambda backend: backend.load(Path("missing.onnx"), 1), "missing.onnx: .* does not load it"),
        (lambda backend: load(backend, an_input_without_batch()), "takes batches of float"),
        (lambda backend: load(backend, classifier().quantized(), taps=["nobody"]), "computes no tensor named nobody"),
        (
            lambda backend: load(backend, classifier().quantized()).run_tensors(images(1), ["hidden"]),
            "does not return hidden",
        ),
        (
            lambda backend: load(backend, classifier().quantized()).run(np.zeros((1, 3, 3, 3), "f")),
            r"cannot run images of shape \[1, 3, 3, 3\]",
        ),
        (lambda backend: load(backend, classifier().quantized()).run(images(0)), "no images"),
    ],
)
def test_a_bad_file_or_image_is_one_sentence(backend: Backend, act, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        act(backend)
    assert "\n" not in str(caught.value)


def test_onnxruntime_prints_no_names_of_nodes(capfd: pytest.CaptureFixture[str]) -> None:
    """Errors are raised; its own log would bring a stranger's control characters to the terminal."""
    proto = tiny_graph.model(
        nodes=[("Reshape", ["x", "s"], ["y"])],
        inputs={"x": ("n", 6)},
        outputs=["y"],
        initializers={"s": np.asarray([4], np.int64)},
    )
    proto.graph.node[0].name = "conv\x1b[31m"
    with pytest.raises(InputError):
        load(BACKENDS["onnxruntime"], proto).run(np.zeros((1, 6), np.float32))
    assert "conv" not in capfd.readouterr().err
