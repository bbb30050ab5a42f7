"""Every `gdfq-export ...` of the pages is one that the tool takes, in running text too; `test_running.py` runs them."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path

import click
import pytest

from gdfq_export.cli.main import cli
from gdfq_export.errors import InputError
from tests.docs.pages import PAGES, commands, mentions, name_of


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words name, and what is left of them."""
    command: click.Command = cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"there is no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    return command, words


def redirected(words: list[str]) -> tuple[list[str], str]:
    """The words of the tool, and the file that its output goes to."""
    return (words[: words.index(">")], words[-1]) if ">" in words else (words, "")


def parse(words: list[str]) -> None:
    command, arguments = resolve(words)
    if arguments in (["--version"], ["--help"]):
        return
    with contextlib.suppress(InputError), command.make_context(command.name, arguments):
        pass  # files are missing here, which is no fault of the command


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_parse(page: Path) -> None:
    for words in commands(page):
        try:
            parse(redirected(words)[0])
        except click.UsageError as error:
            pytest.fail(f"gdfq-export {shlex.join(words)}: {error.format_message()}")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_options_in_running_text_exist(page: Path) -> None:
    for words in mentions(page):
        command, rest = resolve(words)
        known = {option for parameter in command.params for option in parameter.opts} | {"--help", "--version"}
        assert [word for word in rest if word.startswith("--") and word.split("=")[0] not in known] == [], words


def test_the_pages_show_commands() -> None:
    shown = [words for page in PAGES for words in commands(page)]
    assert len(shown) > 30
    assert {words[0] for words in shown} >= set(cli.commands)
