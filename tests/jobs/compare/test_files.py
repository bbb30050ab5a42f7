"""The files of a comparison: what is written reads back, what is damaged is told, what fails leaves the old ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gdfq_export.errors import InputError
from gdfq_export.jobs.compare import files
from gdfq_export.jobs.compare.cells import Comparison
from gdfq_export.jobs.compare.files import CHART, JSON, PAGE, read_comparison, write_comparison
from tests.jobs.compare import compared


def made() -> Comparison:
    return compared.comparison(
        compared.cell("w8a8", "gdfq", compared.score(3, 1)),
        compared.cell("w8a8", "zeroq", None, reason="no statistics"),
    )


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    assert read_comparison(tmp_path / JSON) is None
    write_comparison(made(), tmp_path)
    assert read_comparison(tmp_path / JSON) == made()
    assert sorted(path.name for path in tmp_path.iterdir()) == [JSON, PAGE, CHART]
    assert (tmp_path / CHART).read_bytes().startswith(b"\x89PNG")


def test_a_file_that_is_kept_is_read() -> None:
    found = read_comparison(Path(__file__).parent / "old_versions" / "format_1.json")
    assert found is not None and [cell.method for cell in found.cells] == ["ours", "gdfq"]


@pytest.mark.parametrize("broken", ["draw_comparison", "build_page"])
def test_an_interrupted_write_leaves_the_old_files(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_comparison(made(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, broken, interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_comparison(made().with_cell(compared.cell("w4a4", "dfq", compared.score(9, 0))), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"schema_version": 1, "cells"', "is not JSON"),
        ("[]", "is no comparison of format 1"),
        ('{"schema_version": 99}', "its schema_version is 99"),
        ('{"schema_version": 1}', "is not a comparison: tool_version is missing"),
    ],
    ids=["torn", "list", "later", "empty"],
)
def test_what_is_no_comparison_is_not_overwritten(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / JSON).write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        read_comparison(tmp_path / JSON)
    assert str(tmp_path / JSON) in str(caught.value) and "choose another folder" in str(caught.value)


def test_a_cell_with_a_wrong_figure_is_named(tmp_path: Path) -> None:
    body = json.loads(made().to_json())
    body["cells"][0]["measured"]["seconds"] = "long"
    (tmp_path / JSON).write_text(json.dumps(body))
    with pytest.raises(InputError, match=r"cells\.0\.measured.*\.seconds"):
        read_comparison(tmp_path / JSON)
