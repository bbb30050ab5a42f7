"""Every tensor of a run is on the device that computes: torch refuses to mix its meta device with the CPU."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.image_source import ImageSource
from gdfq_export.jobs.tune_network import tune_network
from gdfq_export.planning.placement import plan_of
from gdfq_export.support.progress import SilentProgress
from tests.docs.shortened import short_recipe
from tests.gpu_stand_in import DEVICE, StandInGpu
from tests.tuning.residual_network import proto


@pytest.mark.parametrize("name", ["w4a4-ort-cpu", "w8a8-finetuned-ort-cpu", "mixed-ort-cpu"])
def test_images_are_made_and_a_network_is_tuned_on_a_device(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("calib.device.memory", "gdfq_export.tuning.reconstruction.images_in_memory"):
        monkeypatch.setattr(f"{module}.free_bytes", lambda device: 2**20)
    path = tmp_path / "net.onnx"
    onnx.save(proto(), path)
    recipe = short_recipe(name)
    with StandInGpu() as gpu:
        source = ImageSource(load_model(path), recipe, None, seed=0, device=DEVICE, progress=SilentProgress())
        plan = plan_of(source.model, recipe.target, recipe.bits)
        tuned = tune_network(source.model, plan, recipe, source, None)
    assert gpu.sent and tuned.encodings and next(tuned.simulator.parameters()).is_meta
