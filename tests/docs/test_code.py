"""The Python and the data of the pages: blocks are compiled, and run where they stand for themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from gdfq_export.jobs import given_inputs
from gdfq_export.jobs.batch.jobs_file import read_jobs
from gdfq_export.recipe import load_recipe
from gdfq_export.recipe.gates import load_gates
from tests.docs.pages import PAGES, ROOT, Block, blocks
from tests.docs.shortened import short_recipe

LANGUAGES = ("python", "json", "yaml", "sh", "text")  # sh and text: test_running.py


def of_language(language: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page, language)]


PYTHON = of_language("python")


def place(block: Block) -> str:
    return block.place


def run(text: str, block: Block) -> None:
    """Run it; tracebacks have the page and its lines."""
    code = compile("\n" * (block.line - 1) + text, str(block.page), "exec")
    exec(code, {"__name__": "page"})


@pytest.mark.parametrize("block", PYTHON, ids=place)
def test_python_runs(block: Block, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given_inputs, "load_recipe", short_recipe)  # seconds instead of half a minute
    monkeypatch.syspath_prepend(workplace)
    run(block.text, block)


@pytest.mark.slow
@pytest.mark.parametrize("block", PYTHON, ids=place)
def test_python_runs_as_it_stands(block: Block, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(workplace)
    run(block.text, block)


@pytest.mark.parametrize("block", of_language("json"), ids=place)
def test_json_is_json(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", of_language("yaml"), ids=place)
def test_yaml_is_a_recipe_gates_or_jobs(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "block.yaml"
    file.write_text(block.text)
    content = yaml.safe_load(block.text)
    assert {"name", "gates", "networks"} & content.keys(), "neither a recipe nor gates nor jobs"
    if "networks" in content:
        assert read_jobs(file)
        return
    if "name" in content:
        load_recipe(str(file))
    if "gates" in content:
        load_gates(file)


def test_every_block_is_of_a_language_that_is_looked_at() -> None:
    fences = sum(page.read_text(encoding="utf-8").count("```") for page in PAGES) / 2
    assert len([block for language in LANGUAGES for block in of_language(language)]) == fences


def test_shipped_gates() -> None:
    assert load_gates(ROOT / "examples" / "recipe.yaml").limits()
    assert load_gates(ROOT / "examples" / "edge" / "gates.yaml").limits()
