from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from PIL import Image

from calib.errors import DataError
from calib.input_spec import InputSpec
from gdfq_export.tasks.embedding.pairs import Pairs, told_apart
from gdfq_export.tasks.embedding.task import Embedding
from gdfq_export.tasks.figures import ComparedOutputs
from gdfq_export.tasks.outputs import NetworkOutputs, network_outputs
from tests import tiny_graph

SPEC = InputSpec(shape=(3, 8, 8), scale=255.0, mean=(0.0,) * 3, std=(1.0,) * 3)
VECTORS = np.random.default_rng(0).normal(size=(60, 16)).astype(np.float32)
TASK = Embedding(dimensions=16, compared=("y",))
HEADS: dict[str, list[tiny_graph.Node]] = {
    "LpNormalization": [("LpNormalization", ["f"], ["y"], {"axis": 1})],
    "torch": [("ReduceL2", ["f", "axes"], ["n"]), ("Clip", ["n", "tiny"], ["c"]), ("Div", ["f", "c"], ["y"])],
    "by hand": [
        *[("Mul", ["f", "f"], ["s"]), ("ReduceSum", ["s", "axes"], ["t"])],
        *[("Sqrt", ["t"], ["r"]), ("Div", ["f", "r"], ["y"])],
    ],
    "none": [("Relu", ["f"], ["y"])],
}  # fmt: skip


def network(head: str) -> NetworkOutputs:
    model = tiny_graph.model(
        nodes=[("Flatten", ["x"], ["f"]), *HEADS[head]],
        inputs={"x": ("n", 3, 8, 8)},
        outputs=["y"],
        initializers={"axes": np.array([1], np.int64), "tiny": np.float32(1e-12)},
    )
    graph = ir.from_proto(model)
    graph.graph.outputs[0].shape = ir.Shape(["n", 192])
    return network_outputs(graph, (3, 8, 8))


@pytest.mark.parametrize("head", HEADS)
def test_a_vector_divided_by_its_length_is_an_embedding(head: str) -> None:
    found = Embedding.recognise(network(head))
    assert isinstance(found, str) == (head == "none")


def compared(found: np.ndarray, truth: Any = None) -> ComparedOutputs:
    return ComparedOutputs(images=60, names=["y"], float_network=[VECTORS], quantized=[found], source="s", truth=truth)


def test_the_length_of_a_vector_does_not_count() -> None:
    percentile, rank1 = TASK.figures(compared(3 * VECTORS))
    assert percentile.value == pytest.approx(1) and (rank1.value, rank1.sample) == (1, 60)


def test_noise_lowers_every_figure() -> None:
    noisy = VECTORS + np.random.default_rng(1).normal(size=VECTORS.shape).astype(np.float32)
    percentile, rank1 = TASK.figures(compared(noisy))
    assert percentile.value < 0.7 and rank1.low < rank1.value < 1


def test_pairs_give_the_drop_of_the_accuracy() -> None:
    vectors = np.repeat(VECTORS[:30], 2, axis=0)
    images = np.array([(2 * i, 2 * i + 1) for i in range(30)] + [(2 * i, 2 * i + 2) for i in range(29)])
    pairs = Pairs(images=images, same=np.arange(59) < 30)
    both = ComparedOutputs(
        images=60, names=["y"], float_network=[vectors], quantized=[VECTORS], source="s", truth=pairs
    )
    drop = TASK.figures(both)[-1]
    assert (drop.name, drop.sample, drop.each) == ("verification_drop_pp", 59, "pair")
    assert drop.note.startswith("float 100.00 %") and 10 < drop.low < drop.value < drop.high


def test_the_threshold_comes_from_other_pairs() -> None:
    similarity = np.linspace(0, 1, 40)
    assert told_apart(similarity, similarity > 0.5).mean() > 0.9
    assert told_apart(np.zeros(40), np.arange(40) < 20).mean() <= 0.5
    assert told_apart(np.array([0.9]), np.array([True])).all()


def test_pairs_are_read_beside_images(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / name)
    assert TASK.read_data(tmp_path, SPEC).truth is None
    (tmp_path / "pairs.csv").write_text("first,second,same\na.png,b.png,1\nb.png,b.png,0\n")
    pairs = TASK.read_data(tmp_path, SPEC).truth
    assert pairs.images.tolist() == [[0, 1], [1, 1]] and pairs.same.tolist() == [True, False]
    refused = {
        "first,second,same\na.png,c.png,1\n": "the image 'c.png' of .* is not in",
        "first,second,same\na.png,b.png,yes\n": "`same` of a.png and b.png in .* is 'yes': give 0 or 1",
        "first,second,same\na.png\n": "the image '' of",
        "a,b\n": "has the columns a, b: give",
    }
    for text, message in refused.items():
        (tmp_path / "pairs.csv").write_text(text)
        with pytest.raises(DataError, match=message):
            TASK.read_data(tmp_path, SPEC)


def test_pairs_of_an_archive_name_its_images(tmp_path: Path) -> None:
    images = np.zeros((3, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "a.npz", images=images, pairs=np.array([[0, 2]]), same=np.array([1]))
    assert TASK.read_data(tmp_path / "a.npz", SPEC).truth.same.tolist() == [True]
    np.savez(tmp_path / "b.npz", images=images, pairs=np.array([[0, 3]]), same=np.array([1]))
    with pytest.raises(DataError, match="name images beyond 2"):
        TASK.read_data(tmp_path / "b.npz", SPEC)
