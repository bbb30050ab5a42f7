"""What a network without BatchNorm is measured for, and what it is left as."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
import torch

from calib.input_spec import InputSpec
from calib.statistics import batch_norms
from gdfq_export.frontend.float_model import FloatModel, build
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.image_source import ImageSource
from gdfq_export.recipe import load_recipe
from gdfq_export.support.progress import SilentProgress
from gdfq_export.synthesis.stand_in_statistics import with_stand_ins
from tests import tiny_graph
from tests.jobs.compare import compared


@pytest.fixture(scope="module")
def measured() -> FloatModel:
    return with_stand_ins(compared.network(batch_norm=False), SilentProgress())


def test_a_network_that_keeps_batch_norm_is_left_as_it_is() -> None:
    model = compared.network()
    assert with_stand_ins(model, SilentProgress()) is model


def test_every_layer_but_the_last_has_statistics(measured: FloatModel) -> None:
    layers = [node for node in measured.folded.graph if node.op_type in ("Conv", "Gemm")]
    assert set(measured.statistics) == {node.outputs[0].name for node in layers[:-1]}
    assert len(batch_norms(measured.teacher)) == 2


def test_the_network_computes_the_same_and_the_original_is_not_touched(measured: FloatModel) -> None:
    before = compared.network(batch_norm=False)
    images = compared.images(1).images
    torch.testing.assert_close(measured.teacher(images), before.teacher(images), rtol=1e-5, atol=1e-6)
    assert not batch_norms(before.teacher) and before.statistics == {}


def test_statistics_are_those_of_the_given_images() -> None:
    images = compared.images(2).images
    model = with_stand_ins(compared.network(batch_norm=False), SilentProgress(), images=images)
    conv = next(node for node in model.folded.graph if node.op_type == "Conv")
    name = str(conv.outputs[0].name)
    weight, bias = (torch.from_numpy(np.array(value.const_value.numpy())) for value in conv.inputs[1:])
    values = torch.nn.functional.conv2d(images, weight, bias)
    torch.testing.assert_close(torch.from_numpy(model.statistics[name].mean), values.mean((0, 2, 3)))
    torch.testing.assert_close(torch.from_numpy(model.statistics[name].std), values.std((0, 2, 3), correction=0))


def test_priors_come_near_what_batch_norm_has_seen() -> None:
    """The demo was trained on digits; of what its layers have seen, dead leaves and 1/f noise tell the most part."""
    kept = load_model(None)
    folded = build(ir.to_proto(kept.folded), name="net", source="net", sha256="0", input_spec=kept.input_spec)
    model = with_stand_ins(folded, SilentProgress())
    assert set(model.statistics) == set(kept.statistics)
    for name, known in kept.statistics.items():
        ratio = np.median(model.statistics[name].std / known.std)
        assert 0.3 < ratio < 3, name


def test_images_follow_the_statistics_and_the_same_seed_gives_the_same() -> None:
    model, recipe = compared.network(batch_norm=False), load_recipe("w4a4-ort-cpu").for_input(compared.SHAPE)
    generator = recipe.data.generator.model_copy(update={"steps": 2})
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"generator": generator})})
    drawn = [ImageSource(model, recipe, progress=SilentProgress()).draw(8, "draw").images for _ in range(2)]
    assert torch.equal(*drawn)


def test_a_product_with_its_batch_last_has_no_channels_to_measure() -> None:
    random = np.random.default_rng(0)
    nodes: list[tiny_graph.Node] = [
        ("GlobalAveragePool", ["x"], ["p"]),
        ("Flatten", ["p"], ["f"]),
        ("Gemm", ["f", "w1"], ["g"], {"transB": 1}),
        ("Relu", ["g"], ["r"]),
        ("Gemm", ["w2", "r"], ["turned"], {"transB": 1}),
        ("Transpose", ["turned"], ["t"], {"perm": [1, 0]}),
        ("Gemm", ["t", "w3"], ["out"], {"transB": 1}),
    ]
    proto = tiny_graph.model(
        nodes=nodes,
        inputs={"x": ("n", 4, 8, 8)},
        outputs=["out"],
        initializers={name: random.normal(size=(4, 4)).astype(np.float32) for name in ("w1", "w2", "w3")},
    )
    spec = InputSpec(shape=(4, 8, 8), scale=1.0, mean=(0.0,) * 4, std=(1.0,) * 4)
    model = with_stand_ins(build(proto, name="n", source="n", sha256="0", input_spec=spec), SilentProgress())
    assert "turned" not in model.statistics
    assert model.teacher(torch.zeros(5, 4, 8, 8)).shape == (5, 4)
