"""gdfq-export synthesize: options reach the pipeline, the set is saved. The pipeline itself is a stub here."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from calib.input_spec import InputSpec
from calib.set_statistics import LayerDistance, SetStatistics
from calib.synthetic_set import SyntheticSet
from gdfq_export.cli.main import cli
from gdfq_export.support.files.exchange import exchange

SPEC = InputSpec(shape=(1, 8, 8), scale=255.0, mean=(0.0,), std=(1.0,))
NETWORK = SimpleNamespace(name="net", task_notice="10 classes", warnings=(), input_spec=SPEC)

STATISTICS = SetStatistics(
    images=3,
    agreement=1.0,
    confidence=0.1,
    confidence_counts=(0, 3, *(0,) * 18),
    entropy=2.3,
    within_class_distance=42.0,
    layers=(LayerDistance(layer="bn", distance=0.5),),
)


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    handed: dict[str, Any] = {}

    def synthesize(network: object, recipe: object, **options: Any) -> SyntheticSet:
        handed.update(options, recipe=recipe)
        count = options["count"] or 5
        return SyntheticSet(
            images=np.random.default_rng(options["run"].seed).random((count, 1, 8, 8), np.float32),
            labels=np.zeros(count, np.int64),
            logits=np.zeros((count, 10), np.float32),
            input_name="image",
            provenance={"method": "gdfq", "seed": options["run"].seed, "statistics": STATISTICS.to_json()},
        )

    monkeypatch.setattr("gdfq_export.api.synthesize", synthesize)
    monkeypatch.setattr("gdfq_export.frontend.sources.model_name.require_model", lambda model: None)
    monkeypatch.setattr("gdfq_export.api.load", lambda source, **_: NETWORK)
    return handed


def test_the_set_is_saved_and_counted(handed: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "calib.npz"
    result = CliRunner().invoke(cli, ["synthesize", "net.onnx", "--out", str(out), "--images", "3", "--seed", "5"])
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith(f"wrote {out} and {tmp_path / 'calib.png'}: 3 images\n")
    assert (handed["count"], handed["run"].seed) == (3, 5)
    assert len(SyntheticSet.load(out).images) == 3


def test_the_recipe_says_how_many_unless_told(handed: dict[str, Any], tmp_path: Path) -> None:
    CliRunner().invoke(cli, ["synthesize", "--out", str(tmp_path / "calib.npz")])
    assert handed["count"] is None


def test_an_unwritable_place_is_refused_before_any_work(handed: dict[str, Any], tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["synthesize", "--out", str(tmp_path / "absent" / "calib.npz")])
    assert result.exit_code == 2
    assert "create it first" in result.stderr
    assert handed == {}


def test_what_the_set_is_worth_is_printed(handed: dict[str, Any], tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["synthesize", "--out", str(tmp_path / "calib.npz")])
    assert "0.500" in result.stdout and "42 of 255" in result.stdout and "1 of 10" in result.stdout


@pytest.mark.parametrize(
    ("options", "written"),
    [
        ([], {"calib.npz", "calib.png"}),
        (["--picture", "seen.png"], {"calib.npz", "seen.png"}),
        (["--no-picture"], {"calib.npz"}),
    ],
)
def test_the_picture_goes_where_it_is_asked(
    handed: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    written: set[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["synthesize", "--out", "calib.npz", *options])
    assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.iterdir()} == written
    assert all(name in result.stdout for name in written)


def test_a_picture_is_drawn_or_not(handed: dict[str, Any], tmp_path: Path) -> None:
    command = ["synthesize", "--out", str(tmp_path / "calib.npz"), "--picture", str(tmp_path / "p.png"), "--no-picture"]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 2 and "--no-picture" in result.stderr
    assert handed == {} and list(tmp_path.iterdir()) == []


def test_the_same_seed_gives_the_same_picture(handed: dict[str, Any], tmp_path: Path) -> None:
    for name, seed in (("one", "1"), ("again", "1"), ("two", "2")):
        CliRunner().invoke(cli, ["synthesize", "--out", str(tmp_path / f"{name}.npz"), "--seed", seed])
    one, again, two = ((tmp_path / f"{name}.png").read_bytes() for name in ("one", "again", "two"))
    assert one == again != two


@pytest.mark.parametrize("taken", ["net.onnx", "net.json", "recipe.yaml", "calib.npz"])
def test_the_picture_replaces_nothing_that_is_read_or_written(
    handed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("net.onnx", "net.json", "recipe.yaml"):
        Path(name).write_text("old")
    command = ["synthesize", "net.onnx", "--out", "calib.npz", "--recipe", "recipe.yaml", "--picture", taken]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 2 and f"{taken} would be overwritten" in result.stderr
    assert handed == {}
    assert {path.read_text() for path in tmp_path.iterdir()} == {"old"} and len(list(tmp_path.iterdir())) == 3


def test_a_set_that_cannot_be_saved_leaves_the_old_files(
    handed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Path] = []

    def fail_at_the_second(one: Path, other: Path) -> bool:
        done.append(other)
        if len(done) == 2:
            raise OSError(errno.EIO, "Input/output error")
        return exchange(one, other)

    monkeypatch.setattr("gdfq_export.support.files.commit.exchange", fail_at_the_second)
    for name in ("calib.npz", "calib.png"):
        (tmp_path / name).write_text("old")
    result = CliRunner().invoke(cli, ["synthesize", "--out", str(tmp_path / "calib.npz")])
    assert result.exit_code == 2 and "all outputs are as they were before" in result.stderr
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"calib.npz": "old", "calib.png": "old"}
