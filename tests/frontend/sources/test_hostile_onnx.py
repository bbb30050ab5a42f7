"""ONNX files made to harm are refused before a library acts on them: weights elsewhere, sizes of 0, endless loops."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest

from gdfq_export.frontend.sources import load_model
from tests.frontend.sources import networks
from tests.frontend.sources.test_bad_input import fails


def _external(**entries: str) -> onnx.ModelProto:
    proto = networks.classifier()
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return proto


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"location": "../outside"}, "no file in the model's folder"),
        ({"location": "/etc/passwd"}, "no file in the model's folder"),
        ({"location": ""}, "no file in the model's folder"),
        ({"location": "link"}, "no file in the model's folder"),
        ({"location": "pipe"}, "is a pipe"),
        ({"location": "data", "offset": "-4"}, "a file at the offset '-4'"),
        ({"location": "data", "offset": "x"}, "a file at the offset 'x'"),
        ({"location": "data", "offset": "9" * 30}, "a file at the offset '999"),
        ({"location": "data", "length": "99999999999"}, "cut short"),
    ],
)
def test_external_data_that_is_not_beside_the_model(tmp_path: Path, entries: dict[str, str], words: str) -> None:
    (tmp_path / "outside").write_bytes(bytes(4096))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "data").write_bytes(bytes(4096))
    (folder / "link").symlink_to(tmp_path / "outside")
    os.mkfifo(folder / "pipe")
    fails(networks.saved(folder, _external(**entries)), "net.onnx", words)


def test_external_data_of_constants_in_nodes_is_read_too(tmp_path: Path) -> None:
    proto = networks.classifier()
    tensor = proto.graph.initializer.pop()
    proto.graph.node.insert(0, onnx.helper.make_node("Constant", [], [tensor.name], value=tensor))
    stored = proto.graph.node[0].attribute[0].t
    (tmp_path / "data").write_bytes(stored.raw_data)
    stored.ClearField("raw_data")
    stored.data_location = onnx.TensorProto.EXTERNAL
    stored.external_data.add(key="location", value="data")
    assert load_model(networks.saved(tmp_path, proto)).task.facts["classes"] == 5


def test_an_attribute_that_stands_for_an_argument_needs_a_function(tmp_path: Path) -> None:
    proto = networks.classifier()
    next(node for node in proto.graph.node if node.attribute).attribute[0].ref_attr_name = "a"
    fails(networks.saved(tmp_path, proto), "stands for an argument of a function")


@pytest.mark.parametrize("name", ["strides", "kernel_shape", "dilations"])
def test_a_size_of_nothing_is_refused_before_a_library_divides_by_it(tmp_path: Path, name: str) -> None:
    proto = networks.classifier()
    sizes = [0, 0]
    pool = onnx.helper.make_node("MaxPool", ["x"], ["p"], **{"kernel_shape": [1, 1], name: sizes})
    proto.graph.node.insert(0, pool)
    fails(networks.saved(tmp_path, proto), f"{name} of the node MaxPool", "net.onnx")


def test_an_endless_loop_is_refused(tmp_path: Path) -> None:
    proto = networks.classifier()
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array(2**62), "rounds"))
    body = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["c"], ["d"])], "body", [], [])
    proto.graph.node.insert(0, onnx.helper.make_node("Loop", ["rounds"], ["z"], body=body))
    fails(networks.saved(tmp_path, proto), "the Loop z", "more than 1,000,000 times")
