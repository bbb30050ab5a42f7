from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from gdfq_export.backends import find_backend
from gdfq_export.backends.base import Backend, Session
from gdfq_export.backends.openvino import OpenVino, OpenVinoSession
from gdfq_export.errors import BackendUnavailable, InputError
from tests import tiny_graph
from tests.verify.quantized_classifier import classifier, images

pytest.importorskip("openvino", reason="OpenVINO is not installed (pip install 'gdfq-export[openvino]')")


def load(model: onnx.ModelProto, **options) -> OpenVinoSession:
    return OpenVino().load(model.SerializeToString(), 1, **options)


def test_it_keeps_the_protocol() -> None:
    backend: Backend = find_backend("openvino")
    backend.require()
    session: Session = backend.load(classifier().quantized().SerializeToString(), 1)
    assert session.output_name == "logits"


@pytest.mark.parametrize("count", [1, 3, 4, 9])
@pytest.mark.parametrize(("fixed", "batch"), [("batch", 4), (4, 64), (1, 64)])
def test_any_number_of_images_through_any_batch(fixed: int | str, batch: int, count: int) -> None:
    network, pictures = classifier(), images(count)
    session = load(network.quantized(batch=fixed), batch=batch)
    np.testing.assert_allclose(session.run(pictures), network.integers(pictures)["logits"], rtol=1e-4, atol=1e-4)


def test_a_path_and_its_bytes_are_the_same(tmp_path: Path) -> None:
    path, model, pictures = tmp_path / "m.onnx", classifier().quantized(), images(3)
    onnx.save(model, path)
    assert np.array_equal(OpenVino().load(path, 1).run(pictures), load(model).run(pictures))


def test_taps_return_inner_tensors() -> None:
    network, pictures = classifier(), images(5)
    session = load(network.quantized(), taps=["hidden_quantized"])
    found = session.run_tensors(pictures, ["logits", "hidden_quantized"])
    assert np.array_equal(found["hidden_quantized"], network.integers(pictures)["hidden_quantized"])


def test_the_description_says_what_runs_as_integer() -> None:
    network = classifier()
    quantized, floating = load(network.quantized()).describe(), load(network.float_network()).describe()
    assert {node.kind for node in quantized.nodes if node.op_type == "Convolution"} == {"integer compute"}
    assert {node.kind for node in floating.nodes if node.op_type == "Convolution"} == {"float compute"}
    assert quantized.runtime == "OpenVINO" and len(quantized.inputs) == len(quantized.outputs) == 1


def two_inputs() -> onnx.ModelProto:
    return tiny_graph.model(
        nodes=[("Add", ["a", "b"], ["y"])], inputs={"a": (1, 1, 2, 2), "b": (1, 1, 2, 2)}, outputs=["y"]
    )


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: OpenVino().load(b"not a model", 1), "the model in memory: OpenVINO does not load it"),
        (lambda: OpenVino().load(Path("missing.onnx"), 1), "missing.onnx: OpenVINO does not load it"),
        (lambda: load(two_inputs()), "one float input of shape"),
        (lambda: load(classifier().quantized(), taps=["nobody"]), "OpenVINO does not load it"),
        (lambda: load(classifier().quantized()).run_tensors(images(1), ["hidden"]), "does not return hidden"),
        (
            lambda: load(classifier().quantized()).run(np.zeros((1, 3, 3, 3), "f")),
            r"cannot run images of shape \[1, 3, 3, 3\]",
        ),
        (lambda: load(classifier().quantized()).run(images(0)), "no images"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(act, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        act()
    assert "\n" not in str(caught.value)


def test_without_openvino_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackendUnavailable, match=r"gdfq-export\[openvino\]"):
        find_backend("openvino").require()
