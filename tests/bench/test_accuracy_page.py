from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bench.accuracy_cells import LIMITS, TABLE_BITS
from bench.accuracy_chart import draw_chart
from bench.accuracy_entries import Entry, combine
from bench.accuracy_page import build_page, verdict
from gdfq_export.errors import InputError
from gdfq_export.support.confidence_interval import paired_difference_interval

LIMIT = next(limit for limit in LIMITS if (limit.network, limit.bits) == ("cifar10_resnet20", "w4a4"))


def run(seed: int = 0, lost: int = 40, gained: int = 10, method: str = "ours", **changed: Any) -> dict[str, Any]:
    images = 1000
    top1 = {
        "float_network": {"value": 0.9},
        "quantized": {"value": 0.9 - (lost - gained) / images},
        "only_float_right": lost,
        "only_quantized_right": gained,
        "drop_pp": 100 * (lost - gained) / images,
    }
    return {
        "network": "cifar10_resnet20",
        "bits": "w4a4",
        "method": method,
        "seed": seed,
        "budget_seconds": 600.0,
        "machine": {"cpu": "A CPU", "cores": 2},
        "versions": {"torch": "2", "onnxruntime": "1"},
        "threads": 1,
        "device": "cpu",
        "scored": {"file": "images.npz", "half": "second", "from": images, "images": images, "of": 2 * images},
        "seconds": {"to_the_file": 500.0 + seed},
        "peak_memory_gib": 1.0 + seed,
        "cut": None,
        "set": None,
        "report": {"accuracy": {"top1": top1}},
        **changed,
    }


def entries(*runs: dict[str, Any]) -> dict[tuple[str, str, str], Entry]:
    found = {}
    for one in runs:
        entry = combine([one])
        found[entry.network, entry.bits, entry.method] = entry
    return found


def test_one_seed_has_its_own_interval_and_no_spread() -> None:
    entry = combine([run()])
    low, high = paired_difference_interval(40, 10, 1000)
    assert (entry.drop, entry.low, entry.high, entry.spread) == (pytest.approx(3.0), 100 * low, 100 * high, None)
    assert entry.images_of == "second half of images.npz"


def test_seeds_are_averaged_and_spread_out() -> None:
    entry = combine([run(2, 50, 10), run(0, 30, 10), run(1, 40, 10)])
    assert entry.seeds == (0, 1, 2)
    assert (entry.drop, entry.spread, entry.top1) == tuple(map(pytest.approx, (3.0, 2.0, 87.0)))
    assert (entry.seconds, entry.memory) == (501.0, 3.0)
    assert entry.low == pytest.approx(combine([run()]).low)


@pytest.mark.parametrize("changed", [{"budget_seconds": 60.0}, {"scored": {**run()["scored"], "half": "first"}}])
def test_seeds_that_do_not_compare_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="run them again"):
        combine([run(0), run(1, **changed)])


def test_a_failed_seed_does_not_hide_the_others() -> None:
    failed = {"network": "n", "bits": "w4a4", "method": "gdfq", "seed": 0, "failed": "diverged"}
    assert combine([failed]).failed == "diverged"
    assert combine([failed, run(1)]).seeds == (1,)


@pytest.mark.parametrize(("lost", "says"), [(15, "aim"), (20, "must"), (60, "**not reached**")])
def test_the_verdict_is_the_limit_that_holds(lost: int, says: str) -> None:
    assert verdict(LIMIT, combine([run(lost=lost)]), []) == says


def test_the_verdict_names_what_is_better_and_what_is_late() -> None:
    late = combine([run(lost=22, seconds={"to_the_file": 700.0})])
    rivals = [combine([run(lost=lost, method=method)]) for lost, method in ((18, "dfq"), (60, "gdfq"), (2, "zeroq"))]
    assert late.low < rivals[0].drop < late.drop and rivals[2].drop < late.low
    assert verdict(LIMIT, late, rivals) == "must, level with DFQ, below ZeroQ, **late**"


def test_a_page_without_runs_says_so_everywhere() -> None:
    page = build_page({}, chart=None)
    assert "<!--" not in page and "None" not in page
    assert page.count("Not measured.") >= 12


def test_a_cell_shows_what_was_measured() -> None:
    cut = {"published_steps": 80_000, "steps": 178, "seconds_per_step": 3.0}
    page = build_page(entries(run(), run(lost=90, method="gdfq", cut=cut)), chart="chart.png")
    row = next(line for line in page.splitlines() if line.startswith("| W4A4 | not measured"))
    assert "**+3.00** [+1.61, +4.38]<br>87.00 %<br>500 s, 1.0 GiB |" in row
    assert "178 of 80,000 steps" in row
    assert "(chart.png)" in page


def test_the_distance_to_real_images_is_a_difference_of_drops() -> None:
    page = build_page(entries(run(lost=40), run(lost=25, method="real")), chart=None)
    assert "| cifar10_resnet20 | **+1.50** (+3.00, +1.50) |" in page


def test_tables_are_rectangular() -> None:
    page = build_page(entries(run(), run(method="real"), {**run(method="zeroq"), "failed": "x"}), chart=None)
    for table in re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert sum(line.startswith("| W4A4 |") for line in page.splitlines()) == 1
    assert len(TABLE_BITS) == 8


def test_a_chart_is_drawn_where_there_is_something_to_draw(tmp_path: Path) -> None:
    path = tmp_path / "chart.png"
    assert not draw_chart({}, path) and not path.exists()
    assert draw_chart(entries(run(), run(lost=90, method="gdfq")), path)
    assert path.stat().st_size > 10_000
