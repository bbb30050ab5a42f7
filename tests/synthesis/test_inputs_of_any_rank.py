"""Networks on signals, volumes and features, without classes: images are made whatever the shapes are."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from calib.input_spec import InputSpec
from gdfq_export.frontend.float_model import build
from gdfq_export.jobs.image_source import ImageSource
from gdfq_export.recipe import Recipe, Refinement
from gdfq_export.support.progress import SilentProgress
from tests import tiny_graph


def _network(shape: tuple[int, ...]) -> onnx.ModelProto:
    """Two convolutions, or two fully connected layers, and a Relu between; no BatchNorm."""
    random, channels, positions = np.random.default_rng(0), shape[0], len(shape) - 1
    if positions:
        first, second, op_type = (4, channels, *[3] * positions), (2, 4, *[1] * positions), "Conv"
    else:
        first, second, op_type = (4, channels), (2, 4), "Gemm"
    attributes = {} if positions else {"transB": 1}
    return tiny_graph.model(
        nodes=[
            (op_type, ["x", "w1", "b1"], ["c"], attributes),
            ("Relu", ["c"], ["r"]),
            (op_type, ["r", "w2", "b2"], ["y"], attributes),
        ],
        inputs={"x": ("batch", *shape)},
        outputs=["y"],
        initializers={
            "w1": random.normal(size=first).astype(np.float32),
            "b1": random.normal(size=4).astype(np.float32),
            "w2": random.normal(size=second).astype(np.float32),
            "b2": random.normal(size=2).astype(np.float32),
        },
    )


@pytest.mark.parametrize("shape", [(12,), (3, 40), (1, 6, 8, 10), (3, 12, 12)])
def test_images_are_made_refined_and_inside_the_range(shape: tuple[int, ...]) -> None:
    spec = InputSpec(shape=shape, scale=255.0, mean=(0.5,) * shape[0], std=(0.25,) * shape[0])
    model = build(_network(shape), name="net", source="net", sha256="0", input_spec=spec)
    recipe = Recipe(name="x").for_input(shape)
    small = recipe.data.model_copy(update={"refinement": Refinement(steps=3, batch=8), "method": "refined"})
    source = ImageSource(model, recipe.model_copy(update={"data": small}), progress=SilentProgress())
    assert set(source.model.statistics) == {"c"}
    images = source.draw(10, "draw").images
    assert images.shape == (10, *shape) and images.std() > 0.1
    assert bool((images >= spec.plane(spec.low)).all() and (images <= spec.plane(spec.high)).all())
    assert not torch.equal(images[0], images[1])
