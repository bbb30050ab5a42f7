"""A detector is recognised from its outputs or by a function, its heads are compared, its figures are of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from calib.input_spec import InputSpec
from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import build
from gdfq_export.frontend.sources.python_callable import find_function
from gdfq_export.planning.placement import plan_of
from gdfq_export.planning.placement.float_reasons import TAIL
from gdfq_export.recipe import Bits
from gdfq_export.tasks.detection.coco_matching import LabelledObjects
from gdfq_export.tasks.detection.decoders.box_rows import BoxRows
from gdfq_export.tasks.detection.task import Detection
from gdfq_export.tasks.figures import ComparedOutputs
from gdfq_export.tasks.registry import StatedTask
from tests import tiny_graph

SPEC = InputSpec(shape=(3, 32, 64), scale=255.0, mean=(0.0,) * 3, std=(1.0,) * 3)
CELLS = 4 * 8 + 2 * 4 + 1 * 2


def detector(channels: int = 7) -> onnx.ModelProto:
    """Columns [N, 4 + 3, cells] of three strides, boxes and scores joined behind their convolutions."""
    random = np.random.default_rng(0)
    nodes: list[tiny_graph.Node] = []
    parts = []
    for stride in (8, 16, 32):
        kernel = {"kernel_shape": [stride, stride], "strides": [stride, stride]}
        nodes += [
            ("Conv", ["x", f"boxes{stride}"], [f"b{stride}"], kernel),
            ("Conv", ["x", f"scores{stride}"], [f"s{stride}"], kernel),
            ("Sigmoid", [f"s{stride}"], [f"p{stride}"]),
            ("Concat", [f"b{stride}", f"p{stride}"], [f"j{stride}"], {"axis": 1}),
            ("Reshape", [f"j{stride}", "flat"], [f"f{stride}"]),
        ]
        parts.append(f"f{stride}")
    nodes.append(("Concat", parts, ["out"], {"axis": 2}))
    arrays = {
        f"{kind}{stride}": random.normal(size=(count, 3, stride, stride)).astype(np.float32)
        for stride in (8, 16, 32)
        for kind, count in (("boxes", 4), ("scores", channels - 4))
    }
    shape = {"flat": np.int64([0, channels, -1])}
    return tiny_graph.model(
        nodes=nodes, inputs={"x": ("batch", *SPEC.shape)}, outputs=["out"], initializers={**arrays, **shape}
    )


def one_box(outputs: Sequence[np.ndarray], image_size: tuple[int, int]) -> tuple[Any, Any, Any]:
    """The image itself, as the only object."""
    height, width = image_size
    return [[0, 0, width, height]], [1.0 + 0 * float(outputs[0].sum())], [0]


def test_a_detector_is_recognised_and_its_tail_stays_float() -> None:
    model = build(detector(), name="net", source="net.onnx", sha256="0", input_spec=SPEC)
    assert isinstance(model.task, Detection) and model.task.decoder == BoxRows(columns=True)
    assert model.task.compared == ("b8", "s8", "b16", "s16", "b32", "s32")
    assert "columns of boxes" in model.found_task.reason
    nodes = plan_of(model, "ort-cpu", Bits()).nodes
    assert {node.op_type for node in nodes if node.kernel is not None} == {"Conv"}
    assert {node.reason for node in nodes if node.kernel is None} == {TAIL}


def test_other_outputs_need_a_function() -> None:
    other = ir.to_proto(ir.from_proto(detector(channels=5)))
    other.graph.node.pop()
    other.graph.output[0].name = "f8"
    with pytest.raises(InputError, match="name a function that does, with --decode"):
        build(other, name="n", source="n.onnx", sha256="0", input_spec=SPEC, stated=StatedTask(name="detect"))
    stated = StatedTask(decode=one_box)
    model = build(other, name="n", source="n.onnx", sha256="0", input_spec=SPEC, stated=stated)
    assert model.task.name == "detect"
    outputs = [np.zeros((2, 5, 32), np.float32)]
    figures = model.task.figures(
        ComparedOutputs(names=["f8"], float_network=outputs, quantized=outputs, source="zeros", images=2)
    )
    assert [(figure.name, figure.value, figure.sample) for figure in figures] == [("self_map", 1.0, 2)]


def test_labels_give_the_drop() -> None:
    pytest.importorskip("pycocotools")
    stated = StatedTask(decode=one_box)
    task = build(detector(), name="n", source="n", sha256="0", input_spec=SPEC, stated=stated).task
    box = LabelledObjects(boxes=np.float32([[0, 0, 64, 32]]), classes=np.array([0]), crowd=np.array([False]))
    outputs = [np.zeros((3, 7, CELLS), np.float32)]
    compared = ComparedOutputs(
        names=["out"], float_network=outputs, quantized=outputs, source="z", images=3, truth=[box] * 3
    )
    (_, drop) = task.figures(compared)
    assert (drop.name, drop.value, drop.note) == ("map_drop_pp", 0.0, "float 1.0000, quantized 1.0000")


def test_a_function_is_found_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_boxes.py").write_text("def decode(outputs, size):\n    return [], [], []\n\nNUMBER = 3\n")
    monkeypatch.chdir(tmp_path)
    assert find_function("my_boxes:decode").__name__ == "decode"
    for text, said in {
        "my_boxes": "names no function; give package.module:function",
        "my_boxes:NUMBER": "is no function",
        "my_boxes:other": "my_boxes has no other",
        "no_such_module:f": "cannot import no_such_module",
    }.items():
        with pytest.raises(InputError, match=said):
            find_function(text)
