"""A network with a fixed batch that is part of the computation: file, simulation and what is read back are equal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from gdfq_export.frontend.passes.batch.symbolic_batch import fixed_batch
from gdfq_export.frontend.sources import load_model
from gdfq_export.metrics.parity import parity
from gdfq_export.recipe import Bits
from gdfq_export.simulator import Simulator
from gdfq_export.simulator.quantizer import Mode
from tests.frontend.kept_batch_networks import KINDS, network
from tests.qdq.read_back.drafted import drafted, noise, require_exact


@pytest.mark.parametrize("kind", KINDS)
def test_every_integer_is_that_of_the_runtime(kind: str, tmp_path: Path) -> None:
    onnx.save(network(kind), tmp_path / "net.onnx")
    model = load_model(tmp_path / "net.onnx")
    assert model.task.name == "classify"
    draft, images = drafted(model, Bits()), noise(model, 7)
    assert fixed_batch(draft.file) == fixed_batch(network(kind)) == model.file_batch
    assert parity(draft.file, draft.exact.run, images, 4).exact
    require_exact(draft.file, images)


def test_the_simulator_in_float_is_the_teacher_for_any_number_of_images(tmp_path: Path) -> None:
    onnx.save(network("images shuffled into channels"), tmp_path / "net.onnx")
    model = load_model(tmp_path / "net.onnx")
    simulator = Simulator(model.folded, drafted(model, Bits()).plan, task=model.task)
    images = torch.from_numpy(noise(model, 5))
    with simulator.in_mode(Mode.FLOAT), torch.no_grad():
        np.testing.assert_allclose(simulator(images).numpy(), model.teacher(images).numpy(), rtol=1e-4, atol=1e-5)
