"""Whatever a reader or a programmer sees uses the field's words: none of a private vocabulary that once stood here."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import click

from gdfq_export.cli.main import cli
from tests.docs.pages import ROOT

# Private phrase -> what the field says. Regular expressions; names are split at underscores and capitals before.
WORDS = {
    r"all chance": "random seed",
    r"where (?:the )?time is taken": "latency measurement",
    r"dear(?:er|est|ly)?": "expensive",
    r"ladder": "list of methods",
    r"rungs?": "method",
    r"judge[sd]?|judging": "evaluation data; scored; reviewed",
    r"lockstep": "paired run; alongside the float network",
    r"knees?": "breakpoint",
    r"h[eo]ld(?:s|ing)? (?:\w+ ){0,4}against": "compared with; checked against",
    r"mend(?:s|ed|ing)?": "fix",
    r"in (?:its|their|his) stead": "instead",
    r"weighed": "measured; estimated",
    r"divides at last": "applied last",
    r"(?<!of )courses?": "curve",
    r"in (?:like )?words": "as text; spelled out",
    r"at a look": "at a glance",
    r"the house": "the package",
    r"unsuitable": "unsupported",
    r"stands? against it": "prevents it",
    r"gives? way to": "is replaced by",
    r"of an everyday size": "of ordinary size",
}
NAMES = {"beyond": "out_of_range_fraction"}  # fine in prose; says nothing as a name or a key
SCHEMA = ROOT / "docs" / "report.schema.json"
SUFFIXES = (".py", ".md", ".yaml", ".yml", ".j2", ".html", ".sh", ".toml", ".ipynb")
OLD_KEYS = "gdfq_export/report/json_form.py"  # reads reports whose keys were others
EXCEPT = ("tests", "bench/results", ".venv", ".git", "site", "build", "dist")

_FOUND = re.compile(rf"\b(?:{'|'.join(WORDS)})\b", re.IGNORECASE)


def plain(text: str) -> str:
    """Names as separate words, lines and the strings and comments that continue on the next one joined."""
    joined = re.sub(r"""["']?[ \t]*\n[ \t]*(?:#[ \t]*|f?["'])?""", " ", text)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", joined).replace("_", " ")


def sources() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*")):
        name = path.relative_to(ROOT).as_posix()
        if path.suffix in SUFFIXES and not name.startswith(EXCEPT) and path.is_file():
            yield path


def folder_of(path: Path) -> str:
    """The room: `gdfq_export/report`, `docs`, or `.` for the top."""
    parts = path.relative_to(ROOT).parts[:-1]
    return "/".join(parts[:2] if parts[:1] == ("gdfq_export",) else parts[:1]) or "."


def words_in(text: str) -> list[str]:
    return _FOUND.findall(plain(text))


def names_in(code: str) -> list[str]:
    """Names of Python, and strings that are one word, as keys are, made of a word of `NAMES`."""
    names = []
    for node in ast.walk(ast.parse(code)):
        for field in ("id", "attr", "arg", "name", "value"):
            name = getattr(node, field, None)
            if isinstance(name, str) and name.isidentifier() and set(NAMES) & set(name.lower().split("_")):
                names.append(name)
    return names


def keys_in(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {}) if isinstance(schema.get("properties"), dict) else ()
        schema = list(schema.values())
    for child in schema if isinstance(schema, list) else ():
        yield from keys_in(child)


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    for key, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{name} {key}")


def found() -> dict[str, list[str]]:
    """The words, each with its place, by folder."""
    places: dict[str, list[str]] = {}
    for path in sources():
        text = path.read_text(encoding="utf-8")
        words = [*words_in(text), *(names_in(text) if path.suffix == ".py" and path != ROOT / OLD_KEYS else [])]
        places.setdefault(folder_of(path), []).extend(f"{path.relative_to(ROOT)}: {word!r}" for word in words)
    schema = SCHEMA.read_text(encoding="utf-8")
    keys = [key for key in keys_in(json.loads(schema)) if set(NAMES) & set(key.split("_"))]
    places[SCHEMA.name] = [*words_in(schema), *keys]
    helps = (
        (name, command.get_help(click.Context(command, info_name=name)))
        for name, command in commands(cli, "gdfq-export")
    )
    places["--help"] = [f"{name}: {word!r}" for name, text in helps for word in words_in(text)]
    return places


def test_no_private_word() -> None:
    places = {folder: words for folder, words in found().items() if words}
    assert places == {}, f"take the words that {Path(__file__).name} gives in their place"


def test_the_test_finds_them() -> None:
    assert words_in('"what is "\n    "held"\n# against the FloatKnee\ndef judged_by') == [
        "held against",
        "Knee",
        "judged",
    ]
    assert words_in("of course it goes beyond 10") == []
    assert names_in("beyond = {'beyond_top': 'far beyond it'}") == ["beyond", "beyond_top"]
