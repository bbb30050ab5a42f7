"""Whole runs that were killed and continued write the bytes of runs that were not; other runs are refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import gdfq_export as gq
from calib.checkpoints.checkpoint import State
from gdfq_export.errors import InputError
from gdfq_export.jobs import tune_network
from gdfq_export.jobs.network_file import NetworkFile
from gdfq_export.jobs.precision.drafts import Drafts
from gdfq_export.jobs.resume import identity
from gdfq_export.jobs.resume.continued import continued
from gdfq_export.recipe import (
    Budget,
    Calibration,
    Data,
    FineTune,
    Gates,
    Generator,
    MixedBits,
    PublishedFineTune,
    PublishedGenerator,
    Recipe,
    Tuning,
    Verify,
)
from gdfq_export.support.checkpoints.run_folder import RunFolder
from tests.support.checkpoints.kills import Killed

VERIFY = Verify(agreement_images=32, parity_images=32, latency_seconds=0)
GENERATED = Recipe(
    name="generated",
    data=Data(generator=Generator(steps=4, batch=16)),
    calibration=Calibration(images=64),
    tuning=Tuning(finetune=FineTune(steps=6, batch=16)),
    verify=VERIFY,
)
MIXED = GENERATED.model_copy(
    update={
        "name": "mixed",
        "bits": GENERATED.bits.model_copy(update={"weights": 4, "mixed": MixedBits(growth=0.2)}),
        "tuning": Tuning(),
    }
)
PUBLISHED = GENERATED.model_copy(
    update={
        "name": "published",
        "data": Data(method="published", published=PublishedGenerator(steps=6, batch=8)),
        "tuning": Tuning(rounding=False, bias_correction="none", published=PublishedFineTune(warmup=0.3)),
    }
)


AUTO = GENERATED.model_copy(
    update={
        "name": "auto",
        "bits": GENERATED.bits.model_copy(update={"precision": "auto"}),
        "tuning": Tuning(),
        "gates": Gates(min_output_snr_db=36.0),
    }
)


class Kills:
    """Counts the states that runs keep, and kills a run behind one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written: list[str] = []
        self.kill: int | None = None
        keep = RunFolder.write

        def write(folder: RunFolder, path: Path, state: State) -> None:
            keep(folder, path, state)
            self.written.append(path.stem)
            if len(self.written) == self.kill:
                raise Killed

        monkeypatch.setattr(RunFolder, "write", write)
        monkeypatch.setattr(RunFolder, "due", lambda folder, seconds: True)

    def count(self, kill: int | None = None) -> None:
        self.written, self.kill = [], kill


@pytest.fixture
def kills(monkeypatch: pytest.MonkeyPatch) -> Kills:
    return Kills(monkeypatch)


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def quantized(folder: Path, recipe: Recipe, *, budget: float | None = None, **run: object) -> bytes:
    folder.mkdir(exist_ok=True)
    context = gq.RunContext(device="cpu", checkpoint=folder / "run", budget_seconds=budget, **run)  # type: ignore[arg-type]
    gq.quantize(recipe=recipe, out=folder / "net.onnx", run=context)
    assert files(folder) == ["net.onnx"]
    return (folder / "net.onnx").read_bytes()


def killed(folder: Path, recipe: Recipe, **run: object) -> None:
    with pytest.raises(Killed):
        quantized(folder, recipe, **run)  # type: ignore[arg-type]
    assert files(folder) == ["run"]


SLOW = [pytest.param(recipe, marks=pytest.mark.slow) for recipe in (MIXED, PUBLISHED)]


@pytest.mark.parametrize("recipe", [GENERATED, *SLOW], ids=lambda recipe: recipe.name)
def test_a_killed_quantization_goes_on_and_writes_the_same_bytes(kills: Kills, tmp_path: Path, recipe: Recipe) -> None:
    whole = quantized(tmp_path / "whole", recipe)
    count = len(kills.written)
    for kill in (count // 2, count):
        kills.count(kill)
        killed(tmp_path / "net", recipe)
        kills.count()
        assert quantized(tmp_path / "net", recipe) == whole
        assert len(kills.written) <= count - kill
        (tmp_path / "net" / "net.onnx").unlink()


def test_a_choice_of_precision_stays_though_times_differ(
    kills: Kills, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(np.random.default_rng(0).uniform(0.9, 1.1, 1000))
    asked: list[float] = []

    def latency(drafts: Drafts, quantized: NetworkFile) -> float:
        asked.append(next(times) * len(quantized.data) / 1e6)  # float weights make the file larger, and it slower
        return asked[-1]

    monkeypatch.setattr(Drafts, "latency_ratio", latency)
    quantized(tmp_path / "whole", AUTO)
    drafts = [place for place, name in enumerate(kills.written, start=1) if "drafts" in name]
    assert len(drafts) > 2  # the goal is not reached with everything quantized
    kills.count(drafts[1])
    killed(tmp_path / "early", AUTO)
    kills.count()
    asked.clear()
    quantized(tmp_path / "early", AUTO)
    assert asked and kills.written[0] != "precision_of_scaled_channels_times"
    kills.count()
    monkeypatch.setattr(tune_network, "with_precision", _killed_there)
    killed(tmp_path / "late", AUTO)
    monkeypatch.undo()
    monkeypatch.setattr(Drafts, "latency_ratio", latency)
    shutil.copytree(tmp_path / "late", tmp_path / "again")
    asked.clear()
    assert quantized(tmp_path / "late", AUTO) == quantized(tmp_path / "again", AUTO)
    assert not asked


def _killed_there(*arguments: object) -> None:
    raise Killed


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_comes_to_its_end(kills: Kills, tmp_path: Path) -> None:
    whole = quantized(tmp_path / "whole", GENERATED)
    for _ in range(3):
        kills.count(3)
        killed(tmp_path / "net", GENERATED)
    kills.count()
    assert quantized(tmp_path / "net", GENERATED) == whole


def test_a_budget_counts_over_all_parts_and_what_the_clock_decided_stays(kills: Kills, tmp_path: Path) -> None:
    recipe = GENERATED.model_copy(update={"budget": Budget(finetune_steps=6, finetune_batch=16)})
    kills.count(2)
    killed(tmp_path / "net", recipe, budget=600.0)
    assert kills.written[0] == "budget"
    folder = tmp_path / "net" / "run"
    kills.count()
    context = gq.RunContext(device="cpu", checkpoint=folder, budget_seconds=600.0)
    result = gq.quantize(recipe=recipe, out=tmp_path / "net" / "net.onnx", run=context)
    assert "budget" not in kills.written
    over_time, budget = result.report.accuracy_over_time, result.report.budget
    assert over_time is not None and budget is not None and budget.seconds_spent < 600
    phases = [(point.phase, point.step) for point in over_time.points]
    assert phases == sorted(set(phases), key=phases.index) and phases[-1] == ("fine-tune", 6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, "seed was 0 and is 1"),
        ({"recipe": GENERATED.model_copy(update={"name": "other"})}, "recipe "),
        ({"budget": 60.0}, "budget was None and is 60.0"),
    ],
)
def test_another_run_is_refused_and_begins_anew_on_request(
    kills: Kills, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    kills.count(2)
    killed(tmp_path / "net", GENERATED)
    kills.count()
    other = {"recipe": GENERATED, **change}
    with pytest.raises(InputError, match=f"is of another run: {said}"):
        quantized(tmp_path / "net", **other)  # type: ignore[arg-type]
    quantized(tmp_path / "net", **other, restart=True)  # type: ignore[arg-type]


def test_other_threads_or_another_cpu_are_refused_by_name(
    kills: Kills, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills.count(2)
    killed(tmp_path / "net", GENERATED)
    kills.count()
    here = identity.computing_on("cpu")
    other = dataclasses.replace(here, threads=77, instruction_set="OTHER")
    monkeypatch.setattr(identity, "computing_on", lambda device: other)
    with pytest.raises(InputError, match=f"threads was {here.threads} and is 77, instruction set was .* and is OTHER"):
        quantized(tmp_path / "net", GENERATED)


def test_killed_synthesis_goes_on_and_gives_the_same_images(kills: Kills, tmp_path: Path) -> None:
    def made(folder: str) -> bytes:
        (tmp_path / folder).mkdir(exist_ok=True)
        run = gq.RunContext(device="cpu", checkpoint=tmp_path / folder / "run")
        gq.synthesize(recipe=GENERATED, out=tmp_path / folder / "set.npz", count=16, run=run)
        assert files(tmp_path / folder) == ["set.npz"]
        return (tmp_path / folder / "set.npz").read_bytes()

    whole = made("whole")
    kills.count(2)
    with pytest.raises(Killed):
        made("net")
    kills.count()
    assert made("net") == whole and len(kills.written) == 2


def test_a_killed_cell_of_a_comparison_goes_on(kills: Kills, tmp_path: Path) -> None:
    def compared() -> gq.Comparison:
        run = gq.RunContext(device="cpu", budget_seconds=3.0, checkpoint=tmp_path / "net" / "run")
        return gq.compare(out=tmp_path / "net", methods=["ours"], bits=["w8a8"], run=run)

    (tmp_path / "net").mkdir()
    kills.count(4)
    with pytest.raises(Killed):
        compared()
    assert kills.written[:2] == ["cut", "budget"]
    kills.count()
    found = compared()
    assert found.cells[0].measured is not None and "cut" not in kills.written
    assert not (tmp_path / "net" / "run").exists()


def test_curves_and_seconds_of_earlier_parts_are_in_the_report(kills: Kills, tmp_path: Path) -> None:
    def report(folder: str) -> gq.Report:
        (tmp_path / folder).mkdir(exist_ok=True)
        run = gq.RunContext(device="cpu", checkpoint=tmp_path / folder / "run")
        return gq.quantize(recipe=GENERATED, out=tmp_path / folder / "net.onnx", run=run).report

    whole = report("whole")
    kills.count(kills.written.index("fine-tune") + 2)
    with pytest.raises(Killed):
        report("net")
    assert kills.written[-1] == "fine-tune"
    kills.count()
    found = report("net")
    assert found.curves == whole.curves
    assert found.seconds_by_phase.keys() == whole.seconds_by_phase.keys()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "run"


def test_an_interruption_says_how_to_go_on_where_something_was_kept(folder: Path) -> None:
    from gdfq_export.support.interruption import Interrupted

    run = gq.RunContext(checkpoint=folder)
    with pytest.raises(Interrupted) as caught, continued(run, {"seed": 0}):
        raise Interrupted
    assert caught.value.go_on == "" and not folder.exists()
    with pytest.raises(Interrupted) as caught, continued(run, {"seed": 0}):
        run.progress.checkpoints.of("calibrate").keep({})
        raise Interrupted
    assert caught.value.go_on == f"the same command goes on where this one stopped, from {folder}"
    assert json.loads((folder / "run.json").read_text())["identity"] == {"seed": 0}
    with continued(dataclasses.replace(run, begun=1000.0), {"seed": 0}) as later:
        assert later.begun is not None and later.begun <= 1000.0
