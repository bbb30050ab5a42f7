"""The page: figures as they are, reasons where there are none, tables that no name breaks."""

from __future__ import annotations

from gdfq_export.jobs.compare.cells import Comparison
from gdfq_export.jobs.compare.page import build_page
from tests.jobs.compare import compared

NO_STATISTICS = "a | b has no BatchNormalization"


def made(*, labelled: bool = True) -> Comparison:
    return compared.comparison(
        compared.cell("w8a8", "dfq", compared.score(1, 2, labelled=labelled)),
        compared.cell("w8a8", "zeroq", None, reason=NO_STATISTICS),
        compared.cell("w4a4", "dfq", compared.score(40, 2, labelled=labelled)),
        compared.cell("w4a4", "gdfq", compared.score(20, 4, labelled=labelled)),
        compared.cell("w4a4", "real", compared.score(0, 4, labelled=labelled)),
        labelled=labelled,
    )


def test_bits_and_methods_stand_side_by_side() -> None:
    page = build_page(made(), chart="c.png")
    assert "| bits | DFQ | ZeroQ | GDFQ | real images |" in page
    assert "| W8A8 | **-0.25** [-1.22, +0.73] | failed | not run | not run |" in page
    row = next(line for line in page.splitlines() if line.startswith("| W4A4 |"))
    assert row.count("**") == 2 and "**+4.00** [" in row, "the least without data, not that of real images"
    assert "![drop of Top-1" in page and "(c.png)" in page


def test_every_cell_has_its_row_and_its_reason() -> None:
    page = build_page(made(), chart="c.png")
    assert "51 of 80,000 published steps" in page
    assert "| W8A8 | ZeroQ |  |  |  |  |  | a \\| b has no BatchNormalization |" in page
    assert "float Top-1 99.50 %" in page


def test_tables_have_as_many_columns_in_every_row() -> None:
    lines = [line.replace("\\|", "") for line in build_page(made(), chart="c.png").splitlines() if line[:1] == "|"]
    assert {line.count("|") for line in lines[:4]} == {6}
    assert {line.count("|") for line in lines[4:]} == {9}


def test_without_labels_it_is_called_no_accuracy() -> None:
    page = build_page(made(labelled=False), chart="c.png")
    assert "so this is no accuracy" in page and "Answers that are not float's, %" in page
    assert "float Top-1" not in page and "+" not in page.split("## Answers")[1].split("## Every")[0]
