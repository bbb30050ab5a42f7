"""gdfq-export synthesize: options reach the pipeline, the set is saved. The pipeline itself is a stub here."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import gdfq_export
from calib.synthetic_set import SyntheticSet
from gdfq_export.cli.main import cli
from gdfq_export.recipe import load_recipe

NETWORK = SimpleNamespace(warnings=(), input_spec=SimpleNamespace(shape=(1, 8, 8)))


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    handed: dict[str, Any] = {}

    def synthesize(network: object, recipe: object, **options: Any) -> SyntheticSet:
        handed.update(options, recipe=recipe)
        count = options["count"]
        return SyntheticSet(
            images=np.zeros((count, 1, 2, 2), np.float32),
            labels=np.zeros(count, np.int64),
            logits=np.zeros((count, 10), np.float32),
            input_name="image",
            provenance={"source": "gdfq"},
        )

    pipeline = SimpleNamespace(synthesize=synthesize)
    monkeypatch.setitem(sys.modules, "gdfq_export.pipeline", pipeline)
    monkeypatch.setattr(gdfq_export, "pipeline", pipeline, raising=False)
    monkeypatch.setattr("gdfq_export.sources.load_model", lambda source, **_: NETWORK)
    return handed


def test_the_set_is_saved_and_counted(handed: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "calib.npz"
    result = CliRunner().invoke(cli, ["synthesize", "net.onnx", "--out", str(out), "--images", "3", "--seed", "5"])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"wrote {out}: 3 images\n"
    assert (handed["count"], handed["seed"]) == (3, 5)
    assert len(SyntheticSet.load(out).images) == 3


def test_the_recipe_says_how_many_unless_told(handed: dict[str, Any], tmp_path: Path) -> None:
    CliRunner().invoke(cli, ["synthesize", "--out", str(tmp_path / "calib.npz")])
    assert handed["count"] == load_recipe("w8a8-ort-cpu").data.images


def test_an_unwritable_place_is_refused_before_any_work(handed: dict[str, Any], tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["synthesize", "--out", str(tmp_path / "absent" / "calib.npz")])
    assert result.exit_code == 2
    assert "create it first" in result.stderr
    assert handed == {}
