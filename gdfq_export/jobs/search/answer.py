"""What a search leaves: its JSON and page in the folder, and the answer as a recipe and as a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gdfq_export.jobs.batch.store import MODEL, Store
from gdfq_export.jobs.search.page import build_page
from gdfq_export.jobs.search.search import SearchRequest
from gdfq_export.jobs.search.search_report import SearchReport
from gdfq_export.recipe import Gates, Recipe, recipe_to_yaml
from gdfq_export.support.files import write_files

JSON, PAGE = "search.json", "search.md"


def write_search(
    request: SearchRequest,
    report: SearchReport,
    folder: Path,
    *,
    recipe_out: Path | None = None,
    onnx_out: Path | None = None,
) -> None:
    """Write the search into its folder, and its answer, where there is one, to the given paths.

    Raises:
        InputError: a file cannot be written.
    """
    files: dict[Path, bytes | str] = {folder / JSON: report.to_json(), folder / PAGE: build_page(report)}
    if report.best is not None and (row := report.rows[report.best].row) is not None:
        cell = request.cells[report.best]
        if recipe_out is not None:
            files[recipe_out] = answer_recipe(cell.recipe, report, request.limits.gates)
        if onnx_out is not None:
            files[onnx_out] = Store(str(folder)).read(row.job, MODEL)
    write_files(files)


def answer_recipe(recipe: Recipe, report: SearchReport, gates: Mapping[str, float | bool]) -> str:
    """The recipe of the answer as YAML, with the limits as its gates, so that a later run is checked by them."""
    answer = report.answer
    assert answer is not None, "there is an answer"
    head = f"# The answer of gdfq-export search for {report.network}; the file was made with --seed {answer.seed}.\n"
    return head + recipe_to_yaml(recipe.model_copy(update={"gates": Gates.of(gates)}))
