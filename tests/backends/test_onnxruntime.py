from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from gdfq_export.backends.base import Backend, Session
from gdfq_export.backends.onnxruntime import OnnxRuntime, OrtSession, optimized_graph
from gdfq_export.errors import InputError
from tests import tiny_graph
from tests.verify.quantized_classifier import classifier, images


def load(model: onnx.ModelProto, **options) -> OrtSession:
    return OnnxRuntime().load(model.SerializeToString(), 1, **options)


def test_it_keeps_the_protocol() -> None:
    backend: Backend = OnnxRuntime()
    session: Session = backend.load(classifier().quantized().SerializeToString(), 1)
    assert session.output_name == "logits"


@pytest.mark.parametrize("count", [1, 3, 4, 9])
@pytest.mark.parametrize(("fixed", "batch"), [("batch", 4), (4, 64), (1, 64)])
def test_any_number_of_images_through_any_batch(fixed: int | str, batch: int, count: int) -> None:
    network, pictures = classifier(), images(count)
    session = load(network.quantized(batch=fixed), batch=batch)
    assert np.array_equal(session.run(pictures), network.integers(pictures)["logits"])


def test_taps_return_inner_tensors_with_their_type() -> None:
    network, pictures = classifier(), images(5)
    session = load(network.quantized(batch=2), taps=["hidden_quantized"])
    found = session.run_tensors(pictures, ["logits", "hidden_quantized"])
    assert found["hidden_quantized"].dtype == np.uint8
    assert np.array_equal(found["hidden_quantized"], network.integers(pictures)["hidden_quantized"])
    assert np.array_equal(found["logits"], session.run(pictures))


def test_a_path_and_its_bytes_are_the_same(tmp_path: Path) -> None:
    path, model, pictures = tmp_path / "m.onnx", classifier().quantized(), images(3)
    onnx.save(model, path)
    assert np.array_equal(OnnxRuntime().load(path, 2).run(pictures), load(model).run(pictures))


def test_the_description_is_the_optimised_graph_without_taps() -> None:
    model = classifier().quantized()
    described = load(model, taps=["hidden_quantized"]).describe()
    operators = [node.op_type for node in described.nodes]
    assert operators == [node.op_type for node in optimized_graph(model.SerializeToString()).graph.node]
    assert "QLinearConv" in operators
    assert "Conv" not in operators
    assert (described.inputs, described.outputs) == (("image",), ("logits",))
    assert "conv_q" in described.constants


def two_inputs() -> onnx.ModelProto:
    return tiny_graph.model(
        nodes=[("Add", ["a", "b"], ["y"])], inputs={"a": (1, 1, 2, 2), "b": (1, 1, 2, 2)}, outputs=["y"]
    )


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: OnnxRuntime().load(b"not a model", 1), "the model in memory: ONNX Runtime .* does not load it"),
        (lambda: OnnxRuntime().load(Path("missing.onnx"), 1), "missing.onnx: ONNX Runtime .* does not load it"),
        (lambda: load(two_inputs()), "one float input of shape"),
        (lambda: load(classifier().quantized(), taps=["nobody"]), "computes no tensor named nobody"),
        (lambda: load(classifier().quantized()).run_tensors(images(1), ["hidden"]), "does not return hidden"),
        (
            lambda: load(classifier().quantized()).run(np.zeros((1, 3, 3, 3), "f")),
            r"cannot run images of shape \[1, 3, 3, 3\]",
        ),
        (lambda: load(classifier().quantized()).run(images(0)), "no images"),
    ],
)
def test_a_bad_file_or_image_is_one_sentence(act, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        act()
    assert "\n" not in str(caught.value)
