"""Every command that a page shows is run, page by page and in the page's order, as a reader would.

`stand_in.py` is the reader's network. Here what takes long is shorter by options that a reader has (`shortened.py`);
the slow tests run the commands as they stand, with budgets of seconds.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, Statement, blocks, name_of, statements
from tests.docs.shell import ENGINE, NOT_RUN, Failed, Shell, Shorten, files_of_image
from tests.docs.shortened import cut_to_budget, shortened

WITH_COMMANDS = [page for page in PAGES if statements(page)]
NEEDS = {
    "--target openvino": "openvino",
    "gdfq-export build": "tensorrt_rtx",
    ENGINE: "tensorrt_rtx",
    "pytorchcv:": "pytorchcv",
    "--sign": "model_signing",
}


def run_page(page: Path, folder: Path, shorten: Shorten) -> str:
    """Run what the page shows, and give what it printed; a failure names its line."""
    shell, printed = Shell(folder, shorten), []
    for statement in statements(page):
        command = without_comment(statement)
        if command in NOT_RUN:
            continue
        if missing := [package for words, package in NEEDS.items() if words in command and not installed(package)]:
            pytest.skip(f"{statement.place}: {missing[0]} is not installed")
        try:
            shell.run(statement)
        except Failed as failure:
            pytest.fail(f"{statement.place}: {statement.text}\n{failure}", pytrace=False)
        printed.append(shell.output)
    return "".join(printed)


def without_comment(statement: Statement) -> str:
    return statement.text.partition(" #")[0].strip()


def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name_of)
def test_commands_run(page: Path, workplace: Path) -> None:
    printed = run_page(page, workplace, shortened)
    for block in blocks(page, "text"):
        rows = [line.partition("  ")[0] for line in block.text.splitlines()]
        assert [row for row in rows if row not in printed] == [], f"{block.place}: no command here prints this"


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name_of)
def test_commands_run_as_they_stand(page: Path, workplace: Path) -> None:
    run_page(page, workplace, lambda words, folder: cut_to_budget(words))


def test_what_is_not_run_is_still_shown_and_nothing_else_is() -> None:
    shown = {without_comment(statement) for page in PAGES for statement in statements(page)}
    assert set(NOT_RUN) <= shown


@pytest.mark.parametrize("folder", ["", "examples/edge"])
def test_an_image_finds_what_it_copies(folder: str) -> None:
    assert [path for path in files_of_image(ROOT / folder) if not path.exists()] == []
