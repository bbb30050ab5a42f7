from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch

from calib.input_spec import InputSpec
from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel, build
from gdfq_export.frontend.passes.measured_shapes import run_model
from gdfq_export.tasks.registry import StatedTask
from tests import tiny_graph
from tests.frontend.sources import networks

SPEC = InputSpec(shape=(3, 8, 8), scale=255.0, mean=(0.0,) * 3, std=(1.0,) * 3)


def _build(proto: onnx.ModelProto, **options: Any) -> FloatModel:
    return build(proto, name="net", source="net.onnx", sha256="0", input_spec=SPEC, **options)


def _with_head(*nodes: tiny_graph.Node) -> onnx.ModelProto:
    weight = np.random.default_rng(0).normal(size=(192, 4)).astype(np.float32)
    first = [("Flatten", ["x"], ["f"]), ("MatMul", ["f", "m"], ["z"])]
    return tiny_graph.model(
        nodes=[*first, *nodes], inputs={"x": ("n", 3, 8, 8)}, outputs=["y"], initializers={"m": weight}
    )


def test_all_forms_compute_the_same() -> None:
    proto = networks.classifier()
    before = proto.SerializeToString()
    model = _build(proto, warnings=["first"])
    assert proto.SerializeToString() == before and model.original is proto
    images = np.random.default_rng(0).normal(size=(3, 3, 8, 8)).astype(np.float32)
    expected = run_model(proto, {"x": images})["y"]
    for form in (model.graph, model.folded):
        np.testing.assert_allclose(run_model(ir.to_proto(form), {"x": images})["y"], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.teacher(torch.from_numpy(images)).numpy(), expected, rtol=1e-4, atol=1e-5)
    assert model.warnings == ("first",)
    assert "BatchNormalization" not in [node.op_type for node in model.folded.graph]


def test_gradients_reach_the_image_but_no_weight() -> None:
    model = _build(networks.classifier())
    images = torch.randn(2, 3, 8, 8, requires_grad=True)
    model.teacher(images).sum().backward()
    assert images.grad is not None and images.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in model.teacher.parameters())


def test_network_without_batch_norm_is_accepted_with_a_warning() -> None:
    model = _build(_with_head(("Relu", ["z"], ["y"])))
    assert model.statistics == {}
    assert len(model.warnings) == 1 and "agreement at 8 bits" in model.warnings[0]


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("axis", [-1, 1])
def test_logits_come_before_a_final_softmax(op: str, axis: int) -> None:
    model = _build(_with_head((op, ["z"], ["y"], {"axis": axis})))
    assert (model.task.compared, model.task.facts) == (("z",), {"classes": 4})


def test_other_heads_are_the_logits_themselves() -> None:
    assert _build(_with_head(("Sigmoid", ["z"], ["y"]))).task.compared == ("y",)


def test_stated_classes_are_checked() -> None:
    assert _build(networks.classifier(), stated=StatedTask(classes=5)).task.facts["classes"] == 5
    with pytest.raises(InputError, match="says 6 classes but the output y has 5"):
        _build(networks.classifier(), stated=StatedTask(classes=6))


def test_exported_network_is_measured_in_its_canonical_form() -> None:
    model = _build(networks.classifier(), exported=True)
    assert model.original.opset_import[0].version == 21
    assert model.original.SerializeToString() == ir.to_proto(model.graph).SerializeToString()


def test_what_is_refused_of_a_node_names_the_file() -> None:
    gamma = ("ReduceMean", ["x", "axes"], ["gamma"], {"keepdims": 0})
    norm = ("BatchNormalization", ["x", "gamma", "m", "m", "v"], ["z"])
    proto = tiny_graph.model(
        nodes=[gamma, norm, ("Conv", ["z", "w"], ["y"])],
        inputs={"x": ("n", 3, 8, 8)},
        outputs=["y"],
        initializers={
            "axes": np.array([0, 2, 3]),
            "m": np.zeros(3, np.float32),
            "v": np.ones(3, np.float32),
            "w": np.ones((4, 3, 1, 1), np.float32),
        },
    )
    with pytest.raises(InputError, match=r"net\.onnx: .*BatchNormalization_z.*export"):
        _build(proto)
