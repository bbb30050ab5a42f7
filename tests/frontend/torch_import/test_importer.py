"""The importer against ONNX Runtime on whole networks, and what it promises of names, sharing, errors and gradients."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from torch import nn

from gdfq_export.errors import InputError
from gdfq_export.frontend.torch_import import import_graph
from tests import tiny_graph
from tests.frontend.torch_import.runtime import assert_same_as_runtime, imported_output, runtime_output

DATA = os.environ.get("GDFQ_EXPORT_DATA")
NETWORKS = sorted(Path(DATA, "models").glob("*.onnx")) if DATA else []
RANDOM = np.random.default_rng(0)


def weights(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def residual_block(batch: int | str = "batch") -> onnx.ModelProto:
    """Conv, BatchNorm, Relu, Split, a weight used twice, a computed Reshape, Gemm, Softmax."""
    return tiny_graph.model(
        nodes=[
            ("Conv", ["image", "layer1.0.weight"], ["a"], {"pads": [1, 1, 1, 1]}),
            ("BatchNormalization", ["a", "bn.scale", "bn.bias", "bn.mean", "bn.var"], ["b"], {"epsilon": 1e-3}),
            ("Relu", ["b"], ["c"]),
            ("Conv", ["c", "4/shared:0"], ["d"]),
            ("Conv", ["d", "4/shared:0"], ["e"]),
            ("Add", ["c", "e"], ["f"]),
            ("Split", ["f"], ["g", "h"], {"axis": 1, "num_outputs": 2}),
            ("Constant", [], ["six"], {"value_float": 6.0}),
            ("Mul", ["h", "six"], ["i"]),
            ("Concat", ["g", "i"], ["j"], {"axis": 1}),
            ("GlobalAveragePool", ["j"], ["k"]),
            ("Shape", ["k"], ["shape"]),
            ("Gather", ["shape", "zero"], ["count"]),
            ("Concat", ["count", "rest"], ["target"], {"axis": 0}),
            ("Reshape", ["k", "target"], ["l"]),
            ("Gemm", ["l", "fc.weight", "fc.bias"], ["logits"], {"transB": 1}),
            ("Softmax", ["logits"], ["probabilities"]),
        ],
        inputs={"image": (batch, 3, 6, 6)},
        outputs=["probabilities"],
        initializers={
            "layer1.0.weight": weights(4, 3, 3, 3),
            "bn.scale": weights(4),
            "bn.bias": weights(4),
            "bn.mean": weights(4),
            "bn.var": np.abs(weights(4)) + 0.1,
            "4/shared:0": weights(4, 4, 1, 1),
            "zero": np.array([0]),
            "rest": np.array([-1]),
            "fc.weight": weights(5, 4),
            "fc.bias": weights(5),
        },
    )


@pytest.mark.skipif(not DATA, reason="GDFQ_EXPORT_DATA is not set")
def test_networks_are_found() -> None:
    assert len(NETWORKS) >= 10


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_network_gives_the_logits_of_onnx_runtime(path: Path) -> None:
    proto = onnx.version_converter.convert_version(onnx.load(path), 21)
    channels, height, width = (dim.dim_value for dim in proto.graph.input[0].type.tensor_type.shape.dim[1:])
    for batch in (1, 3) if height <= 64 else (1,):
        images = np.random.default_rng(batch).normal(size=(batch, channels, height, width)).astype(np.float32)
        expected = runtime_output(onnx.load(path), images)
        found = imported_output(proto, images)
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_any_batch_size_works(batch: int) -> None:
    assert_same_as_runtime(residual_block(), weights(batch, 3, 6, 6))


def test_every_value_keeps_its_onnx_name() -> None:
    module = import_graph(ir.from_proto(residual_block()))
    facts = {node.meta["value"]: node.meta for node in module.graph.nodes if "value" in node.meta}
    assert {"image", "4/shared:0", "fc.bias", *"abcdefghijkl", "shape", "count", "target", "probabilities"} <= set(
        facts
    )
    assert (facts["b"]["op_type"], facts["b"]["node"]) == ("BatchNormalization", "BatchNormalization_b")
    assert facts["g"]["node"] == facts["h"]["node"] == "Split_g"
    unnamed = [node for node in module.graph.nodes if "value" not in node.meta]
    assert [node.meta.get("op_type", node.op) for node in unnamed] == ["Split", "output"]


def test_parameters_have_readable_names_and_a_shared_one_is_one() -> None:
    module = import_graph(ir.from_proto(residual_block()))
    names = {name for name, _ in module.named_parameters()}
    assert names == {
        "layer1_0_weight",
        "BatchNormalization_b.weight",
        "BatchNormalization_b.bias",
        "_4_shared_0",
        "six",
        "fc_weight",
        "fc_bias",
    }
    assert set(module.meta["parameters"].values()) <= set(module.state_dict())
    assert module.meta["parameters"]["bn.mean"] == "BatchNormalization_b.running_mean"
    assert module.meta["parameters"]["4/shared:0"] == "_4_shared_0"
    assert copy.deepcopy(module).meta["parameters"] == module.meta["parameters"]


def test_names_that_torch_needs_or_that_collide_are_changed() -> None:
    proto = tiny_graph.model(
        nodes=[
            ("Add", ["x", "forward"], ["a"]),
            ("Add", ["a", "w.1"], ["b"]),
            ("Add", ["b", "w_1"], ["training"]),
            ("Add", ["training", "class"], ["y"]),
        ],
        inputs={"x": ("batch", 2)},
        outputs=["y"],
        initializers={name: weights(2) for name in ("forward", "w.1", "w_1", "class")},
    )
    module = import_graph(ir.from_proto(proto))
    assert [name for name, _ in module.named_parameters()] == ["forward_1", "w_1", "w_1_1", "class_1"]
    assert_same_as_runtime(proto, weights(3, 2))


def test_batch_norm_is_a_module_in_eval_mode_whose_input_hooks_see() -> None:
    module = import_graph(ir.from_proto(residual_block()))
    (norm,) = [child for child in module.modules() if isinstance(child, nn.BatchNorm2d)]
    assert (norm.training, norm.eps) == (False, pytest.approx(1e-3))
    seen: list[torch.Tensor] = []
    norm.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    mean = norm.running_mean.clone() if norm.running_mean is not None else None
    module(torch.randn(2, 3, 6, 6))
    assert seen[0].shape == (2, 4, 6, 6)
    assert torch.equal(norm.running_mean, mean)


def test_gradients_reach_the_image_and_every_parameter() -> None:
    module = import_graph(ir.from_proto(residual_block()), until="logits")
    image = torch.randn(2, 3, 6, 6, requires_grad=True)
    module(image).square().sum().backward()
    assert image.grad is not None and image.grad.abs().sum() > 0
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_until_returns_the_logits_before_the_softmax() -> None:
    proto = residual_block()
    image = torch.randn(2, 3, 6, 6)
    logits = import_graph(ir.from_proto(proto), until="logits")(image)
    torch.testing.assert_close(logits.softmax(-1), import_graph(ir.from_proto(proto))(image))


def test_several_outputs_are_a_tuple_in_their_order() -> None:
    nodes = [("Relu", ["x"], ["y"]), ("Tanh", ["y"], ["z"])]
    graph = tiny_graph.graph(nodes=nodes, inputs={"x": ("batch", 2)}, outputs=["z", "y"])
    image = torch.randn(3, 2)
    expected = (image.relu().tanh(), image.relu())
    for until in (None, ("z", "y")):
        torch.testing.assert_close(import_graph(graph, until=until)(image), expected)


def test_channels_last_input_gives_the_same_result() -> None:
    module = import_graph(ir.from_proto(residual_block()))
    image = torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(module(image.to(memory_format=torch.channels_last)), module(image))


def test_changing_parameters_leaves_the_onnx_graph_alone() -> None:
    model = ir.from_proto(residual_block())
    first = import_graph(model)
    image = torch.randn(1, 3, 6, 6)
    before = first(image).detach().clone()
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.zero_()
    torch.testing.assert_close(import_graph(model)(image), before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"until": "nothing"}, r"No node of the graph computes 'nothing'"),
        (
            {"inputs": {"x": ("batch", 2), "other": ("batch", "wide")}},
            r"input other is .*several inputs: static",
        ),
        ({"opset": 17}, r"opset 17; accepted: 18 and later"),
    ],
)
def test_what_cannot_be_imported_is_said(change: dict, message: str) -> None:
    arguments = {
        "nodes": [("Relu", ["x"], ["y"]), ("Tanh", ["y"], ["z"])],
        "inputs": {"x": ("batch", 2)},
        "outputs": ["z"],
    }
    until = change.pop("until", None)
    with pytest.raises(InputError, match=message):
        import_graph(tiny_graph.graph(**arguments | change), until=until)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.gpu
def test_the_module_runs_on_the_device_of_its_input() -> None:
    module = import_graph(ir.from_proto(residual_block()))
    image = torch.randn(2, 3, 6, 6)
    expected = module(image)
    torch.testing.assert_close(module.cuda()(image.cuda()).cpu(), expected, rtol=1e-3, atol=1e-3)
