"""Small networks of each family with LayerNorm or attention, as both exporters write them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from bench.attention.networks import NETWORKS, SIDE, drawn
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources.load import load_model
from gdfq_export.jobs.draft_model import draft_of
from gdfq_export.metrics.parity import parity
from gdfq_export.planning.placement import plan_of
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.recipe import Bits
from gdfq_export.targets.operator_traits import LAYERS

IMAGES = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


QUICK = {(name, "torchscript") for name in NETWORKS} | {("ViT, fused attention", "dynamo"), ("ConvNeXt", "dynamo")}
"""torch.export takes seconds a network."""
EXPORTS = [
    pytest.param((name, how), id=f"{name}, {how}", marks=() if (name, how) in QUICK else pytest.mark.slow)
    for name in NETWORKS
    for how in ("dynamo", "torchscript")
]


@pytest.fixture(scope="module", params=EXPORTS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FloatModel:
    name, how = request.param
    path = tmp_path_factory.mktemp("networks") / "network.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(drawn(name), (IMAGES[:1],), str(path), dynamo=how == "dynamo", verbose=False)
    return load_model(path)


def float_layers(plan: QuantPlan) -> list[str]:
    return [node.node for node in plan.nodes if node.op_type in LAYERS and node.kernel is None]


def weights(model: FloatModel, names: list[str]) -> list[str]:
    """Those of the nodes that multiply with a constant."""
    nodes = {node.name: node for node in model.folded.graph}
    return [name for name in names if nodes[name].inputs[1].const_value is not None]


def test_every_layer_and_product_is_integer_and_exact(exported: FloatModel) -> None:
    plan = plan_of(exported, "ort-cpu", Bits())
    assert float_layers(plan) == []
    floats = {node.op_type for node in plan.nodes if node.kernel is None and node.node not in plan.absorbed}
    assert floats <= {"LayerNormalization", "Gelu", "Sub", "Reshape", "ReduceMean"}
    draft = draft_of(exported, plan, IMAGES, {"target": "ort-cpu"})
    assert parity(draft.file, draft.exact.run, IMAGES.numpy(), 2).exact


def test_every_layer_with_weights_is_integer_in_openvino(exported: FloatModel) -> None:
    pytest.importorskip("openvino")
    from gdfq_export.runtimes.openvino import OpenVino

    plan = plan_of(exported, "openvino", Bits())
    assert weights(exported, float_layers(plan)) == []
    draft = draft_of(exported, plan, IMAGES, {"target": "openvino"})
    session = OpenVino().load(draft.file.SerializeToString(), 1)
    layers = [node for node in plan.nodes if node.op_type in LAYERS and node.kernel is not None]
    assert len([node for node in session.describe().nodes if node.kind == "integer compute"]) == len(layers)
    simulated = draft.exact.run(IMAGES.numpy())[draft.file.graph.output[0].name]
    assert np.abs(session.run(IMAGES.numpy()) - simulated).mean() < 0.05
