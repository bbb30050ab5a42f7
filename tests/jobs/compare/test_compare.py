"""compare(): cells that run, cells that cannot, and runs that go on where they stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from calib.samplers import RealSet
from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.compare import run_cell
from gdfq_export.jobs.compare.cells import Cell, Comparison, Score
from gdfq_export.jobs.compare.compare import NO_REAL_IMAGES, CompareRequest, Listener, compare
from gdfq_export.jobs.compare.files import FILES, JSON, read_comparison
from gdfq_export.jobs.compare.scored_images import ScoredImages, given_images, images_facts
from gdfq_export.jobs.result import Result as Quantized
from gdfq_export.tasks.figures import TaskFigure
from gdfq_export.tasks.labelled_images import LabelledImages
from tests.jobs.compare import compared

NETWORK = compared.network()
SCORED = given_images(compared.labelled(0))


class Heard(Listener):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.dropped_cells = 0
        self.started: list[str] = []
        self.ended: list[tuple[str, bool]] = []

    def dropped(self, cells: int) -> None:
        self.dropped_cells = cells

    def starts(self, number: int, total: int, cell: Cell) -> None:
        self.started.append(f"{number}/{total} {cell.bits} {cell.method}")

    def ends(self, comparison: Comparison, cell: Cell, *, ran: bool) -> None:
        assert cell in comparison.cells
        self.ended.append((f"{cell.bits} {cell.method}", ran))


def run(
    folder: Path,
    methods: str = "noise,dfq",
    bits: str = "w8a8",
    *,
    model: FloatModel = NETWORK,
    scored: ScoredImages = SCORED,
    real: RealSet | None = None,
    budget: float = 3.0,
    seed: int = 0,
) -> tuple[Comparison, Heard]:
    (folder / FILES).mkdir(exist_ok=True)
    heard = Heard()
    asked = {"methods": methods.split(","), "bits": bits.split(",")}
    request = CompareRequest(**asked, scored=scored, real=real, budget=budget, seed=seed)
    return compare(model, request, folder=folder, listener=heard), heard


def test_cells_are_run_in_order_and_measured(tmp_path: Path) -> None:
    result, heard = run(tmp_path, "dfq,noise", "w4a4,w8a8")
    assert heard.started == ["1/4 w8a8 noise", "2/4 w8a8 dfq", "3/4 w4a4 noise", "4/4 w4a4 dfq"]
    for cell in result.cells:
        assert cell.measured is not None and cell.measured.score.top1 is not None and cell.reason is None
        assert cell.measured.score.agreement.images == 40
        assert cell.measured.file.bytes == (tmp_path / FILES / f"{cell.bits}-{cell.method}.onnx").stat().st_size
        assert 0 < cell.measured.seconds < 60
    assert read_comparison(tmp_path / JSON) == result


def test_what_is_there_is_not_run_again_and_more_is_added(tmp_path: Path) -> None:
    first, _ = run(tmp_path, "noise", "w8a8")
    result, heard = run(tmp_path, "noise,dfq", "w8a8", budget=99.0)
    assert heard.ended == [("w8a8 noise", False), ("w8a8 dfq", True)]
    assert result.cells[0] == first.cells[0]
    result, heard = run(tmp_path, "dfq", "w4a4")
    assert [(cell.bits, cell.method) for cell in result.cells] == [("w8a8", "noise"), ("w8a8", "dfq"), ("w4a4", "dfq")]
    assert heard.dropped_cells == 0


def test_another_seed_or_other_images_run_again(tmp_path: Path) -> None:
    run(tmp_path, "dfq")
    _, heard = run(tmp_path, "dfq", seed=1)
    assert (heard.ended, heard.dropped_cells) == ([("w8a8 dfq", True)], 1)
    _, heard = run(tmp_path, "dfq", seed=1, scored=given_images(compared.labelled(5)))
    assert (heard.ended, heard.dropped_cells) == ([("w8a8 dfq", True)], 1)


def test_an_interrupted_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_quantize, ran = run_cell.quantize, []

    def stop_at_the_second(*arguments: object, **options: object) -> Quantized:
        ran.append(1)
        if len(ran) == 2:
            raise KeyboardInterrupt
        return real_quantize(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(run_cell, "quantize", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "noise,dfq")
    left = read_comparison(tmp_path / JSON)
    assert left is not None and [cell.method for cell in left.cells] == ["noise"]
    _, heard = run(tmp_path, "noise,dfq")
    assert heard.ended == [("w8a8 noise", False), ("w8a8 dfq", True)]


def test_a_cell_that_cannot_be_run_says_why_and_the_others_go_on(tmp_path: Path) -> None:
    plain = compared.network(batch_norm=False)
    result, heard = run(tmp_path, "noise,zeroq,gdfq,real", model=plain)
    noise, zeroq, gdfq, real = result.cells
    assert noise.measured is not None
    assert all("BatchNormalization" in (cell.reason or "") and cell.measured is None for cell in (zeroq, gdfq))
    assert real.reason == NO_REAL_IMAGES
    assert ("w8a8 real", False) in heard.ended and heard.started[-1] == "3/3 w8a8 gdfq"
    page = (tmp_path / "comparison.md").read_text()
    assert "BatchNormalization" in page and "measured in ONNX Runtime" in page
    _, heard = run(tmp_path, "noise,zeroq", model=plain)
    assert heard.ended == [("w8a8 noise", False), ("w8a8 zeroq", True)], "what failed is tried again"


def test_a_defect_is_no_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(run_cell, "cut_to_budget", broken)
    with pytest.raises(ZeroDivisionError):
        run(tmp_path, "dfq")


def test_schedules_are_cut_to_the_budget(tmp_path: Path) -> None:
    result, _ = run(tmp_path, "gdfq", budget=2.0)
    measured = result.cells[0].measured
    assert measured is not None and measured.cut is not None
    assert 1 <= measured.cut.steps < measured.cut.published_steps == 80_000
    assert measured.recipe_used["data"]["published"]["steps"] == measured.cut.steps
    assert measured.seconds < 30


def test_real_images_are_used_where_they_are_given_and_shared_ones_told(tmp_path: Path) -> None:
    real = compared.images(3, 64)
    result, _ = run(tmp_path, "real", real=real)
    cell = result.cells[0]
    assert cell.measured is not None and cell.measured.tuned_on == "real images"
    assert cell.identity.calibration_sha256 == images_facts(compared.labelled(3, 64)).sha256 and result.warnings == ()
    real.images[:2] = torch.from_numpy(SCORED.images.images[:2])
    result, heard = run(tmp_path, "real", real=real)
    assert heard.ended == [("w8a8 real", True)], "other images, another cell"
    assert any(warning.startswith("2 of 64 real images are also among") for warning in result.warnings)


def test_without_labels_there_is_agreement_alone(tmp_path: Path) -> None:
    drawn = compared.labelled(0)
    scored = ScoredImages(images=drawn, facts=images_facts(drawn, labels="float network's answers"))
    result, _ = run(tmp_path, "dfq", scored=scored)
    measured = result.cells[0].measured
    assert measured is not None and measured.score.top1 is None and measured.score.agreement.images == 40


def test_a_cell_does_not_depend_on_those_before_it(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    run(tmp_path / "a", "noise,dfq,real", real=compared.images(3), budget=60.0)
    run(tmp_path / "b", "real", real=compared.images(3), budget=60.0)
    file = Path(FILES) / "w8a8-real.onnx"
    assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_names_are_checked_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no method 'magic'"):
        run(tmp_path, "noise,magic")
    assert list((tmp_path / FILES).iterdir()) == []


@pytest.mark.parametrize(
    ("unit", "ends", "lost"),
    [
        ("dB", (40.0, 34.0, 46.0), (1.0, 0.5, 2.0)),
        ("", (0.98, 0.97, 0.99), (2.0, 1.0, 3.0)),
        ("pp", (2, 1, 3), (2, 1, 3)),
    ],
)
def test_a_figure_of_any_task_is_a_loss_in_per_cent(
    unit: str, ends: tuple[float, float, float], lost: tuple[float, float, float]
) -> None:
    value, low, high = ends
    figure = TaskFigure(name="f", title="f", unit=unit, value=value, low=low, high=high, sample=9)
    score = Score(agreement=None, top1=None, top5=None, figure=figure)
    assert score.lost_pp == pytest.approx(lost, abs=0.01)


def test_a_network_without_classes_is_compared_by_its_first_figure(tmp_path: Path) -> None:
    maps = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))
    model = load_model(maps.eval(), scale=255.0, mean=(0.0,), std=(1.0,), input_shape=compared.SHAPE)
    scored = LabelledImages(images=compared.labelled(0).images, truth=None, source="noise 0")
    request = CompareRequest(methods=["dfq"], bits=["w8a8"], scored=given_images(scored), budget=60.0)
    (tmp_path / "files").mkdir()
    result = compare(model, request, folder=tmp_path)
    measured = result.cells[0].measured
    assert measured is not None and measured.score.figure is not None
    assert measured.score.figure.name == "output_snr_db" and result.network.classes is None
    page = (tmp_path / "comparison.md").read_text()
    assert "## Error of the outputs relative to the signal, %" in page and "classes" not in page
    assert compare(model, request, folder=tmp_path).cells == result.cells, "read back"
