from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import ablation, results_file
from gdfq_export.recipe import Bits, Calibration, Data, FineTune, Generator, Recipe, Refinement, Tuning, Verify

SMALL = Recipe(
    name="small",
    bits=Bits(weights=4, activations=4),
    data=Data(method="gdfq-refined", images=48, generator=Generator(steps=4), refinement=Refinement(steps=2)),
    calibration=Calibration(images=48),
    tuning=Tuning(equalization="activations", refit=True, activation_scales=True, finetune=FineTune(steps=2, batch=8)),
    verify=Verify(agreement_images=8, parity_images=8, latency_seconds=0),
)


@pytest.mark.parametrize("side", [32, 224])
def test_every_change_is_a_recipe_of_its_own(side: int) -> None:
    shape = (3, side, side)
    used = SMALL.for_input(shape)
    changed = {name: change(used).for_input(shape).model_dump_json() for name, change in ablation.CHANGES.items()}
    if side == 224:  # large images are not fine-tuned in the first place
        assert changed.pop("not fine-tuned") == changed[ablation.WHOLE]
    assert len(set(changed.values())) == len(changed)


def test_mixed_bits_are_changed_only_where_there_are_some() -> None:
    recipe = ablation.recipe_of(ablation.Cell(network="demo", bits="w4a8-mixed", method="ours", seed=0), (3, 32, 32))
    changed = {name: change(recipe).bits for name, change in ablation.OF_MIXED_BITS.items()}
    assert {name: (bits.mixed, bits.weights, bits.first_last) for name, bits in changed.items()} == {
        "none raised": (None, 4, 4),
        "the first and the last raised": (None, 4, 8),
    }
    ran = CliRunner().invoke(ablation.main, ["run", "demo", "w4a8", "--changes", "none raised"])
    assert ran.exit_code == 2 and "'none raised' is none of the recipe, images not refined" in ran.output


def test_runs_are_written_and_become_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_file, "FOLDER", tmp_path)
    monkeypatch.setattr(ablation, "RESULTS", tmp_path / "ablation")
    monkeypatch.setattr(ablation, "PAGE", tmp_path / "ablation.md")
    monkeypatch.setattr(ablation, "recipe_of", lambda cell, shape: SMALL)
    changes = "Gaussian noise as images,outliers kept,layers not fitted"
    ran = CliRunner().invoke(
        ablation.main, ["run", "demo", "w4a4", "--seeds", "0,1", "--changes", changes], catch_exceptions=False
    )
    assert ran.exit_code == 0, ran.output
    body = json.loads((tmp_path / "ablation" / "demo-w4a4.json").read_text(encoding="utf-8"))
    assert [(run["change"], run["seed"]) for run in body["runs"]] == [
        (change, seed)
        for seed in (0, 1)
        for change in (ablation.WHOLE, "Gaussian noise as images", "outliers kept", "layers not fitted")
    ]
    errors = {(run["change"], run["seed"]): run["error"] for run in body["runs"]}
    assert errors["the recipe", 0] == errors["outliers kept", 0], "no image is one, and the images are the same"
    assert len(set(errors.values())) == 6
    more = ["run", "demo", "w4a4", "--seeds", "1", "--changes", "not fine-tuned"]
    assert CliRunner().invoke(ablation.main, more, catch_exceptions=False).exit_code == 0
    again = json.loads((tmp_path / "ablation" / "demo-w4a4.json").read_text(encoding="utf-8"))
    assert len(again["runs"]) == len(body["runs"]) + 1
    assert CliRunner().invoke(ablation.main, ["page"], catch_exceptions=False).exit_code == 0
    page = (tmp_path / "ablation.md").read_text(encoding="utf-8")
    assert "## demo, W4A4" in page and "| layers not fitted |" in page and "| not equalized |" not in page


def test_an_unknown_change_is_refused() -> None:
    ran = CliRunner().invoke(ablation.main, ["run", "demo", "w4a4", "--changes", "magic"])
    assert ran.exit_code == 2 and "'magic' is none of the recipe, images not refined" in ran.output


def test_names_of_changes_can_be_listed_with_commas() -> None:
    assert not any("," in name for name in ablation.CHANGES | ablation.OF_MIXED_BITS)
