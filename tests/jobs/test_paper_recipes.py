"""Every method of the papers, as its recipe says but with few steps, from the demo network to the measured file."""

from __future__ import annotations

from pathlib import Path

import pytest

from calib import RealSet
from gdfq_export.frontend.demo import held_out_set
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.result import Result
from gdfq_export.metrics.parity import ParityResult
from gdfq_export.recipe import PublishedGenerator, Verify, ZeroQ, load_recipe
from gdfq_export.tasks.classification.accuracy import Accuracy
from tests.jobs import runs

SHORT = {"published": PublishedGenerator(steps=8, batch=16), "zeroq": ZeroQ(steps=20)}
QUICK = Verify(agreement_images=32, parity_images=32, latency_seconds=0)


@pytest.fixture(scope="module")
def demo() -> FloatModel:
    return load_model(None)


def quantized(demo: FloatModel, name: str, out: Path, calibration: RealSet | None = None) -> Result:
    recipe = load_recipe(name)
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update=SHORT), "verify": QUICK})
    return runs.quantize(
        demo,
        recipe,
        out=out,
        report=None,
        data=held_out_set(),
        calibration=calibration,
        seed=0,
    )


@pytest.mark.parametrize(
    ("name", "source", "images", "most_lost"),
    [
        ("paper/gdfq", "gdfq as published", 8 * 16, 5.0),
        ("paper/gdfq-imagenet", "gdfq as published", 8 * 16, 5.0),
        ("paper/zeroq", "zeroq", 64, 1.0),
        ("paper/noise", "noise", 512, 1.0),
        ("paper/real", "real images", 512, 1.0),
    ],
)
def test_a_recipe_of_the_papers_runs_to_the_end(
    demo: FloatModel, tmp_path: Path, name: str, source: str, images: int, most_lost: float
) -> None:
    result = quantized(demo, name, tmp_path / "q.onnx", held_out_set() if name == "paper/real" else None)
    report, accuracy = result.report, result.report.accuracy
    assert (report.calibration.source, report.calibration.images) == (source, images)
    assert isinstance(report.parity, ParityResult) and report.parity.exact
    assert isinstance(accuracy, Accuracy) and accuracy.top1.drop_pp <= most_lost


def test_the_published_method_is_repeatable(demo: FloatModel, tmp_path: Path) -> None:
    for name in ("first", "again"):
        quantized(demo, "paper/gdfq", tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "again").read_bytes()
