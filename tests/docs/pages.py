"""The pages of the project as tests see them: their links, their anchors, their blocks of code and their commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "recipes" / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.md")]
)
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
_INDENTED = re.compile(r"(?:(?:\A|\n)\n)((?: {4}.*\n)(?:(?: {4}.*)?\n)*)")
_PROGRAMS = ("gdfq-export", "python", "export", "for", "pip", "make", "docker")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page; `language` is what stands behind its fence, `line` that of its first line of code."""

    page: Path
    language: str
    text: str
    line: int

    @property
    def place(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Statement:
    """One command of a shell, continued lines and loops whole."""

    page: Path
    text: str
    line: int

    @property
    def place(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """The page without its blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def blocks(page: Path, language: str) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        margin, kind, code = match.groups()
        if kind == language:
            lines = [line.removeprefix(margin) for line in code.splitlines(keepends=True)]
            found.append(Block(page, kind, "".join(lines), text.count("\n", 0, match.start(3)) + 1))
    return found


def links(page: Path) -> list[str]:
    return _LINK.findall(re.sub(r"`[^`]*`", "", prose(page)))


def anchors(page: Path) -> set[str]:
    """The ids that GitHub gives to headings."""
    found: dict[str, int] = {}
    ids = set()
    for title in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        count = found.get(plain, 0)
        ids.add(f"{plain}-{count}" if count else plain)
        found[plain] = count + 1
    return ids


def statements(page: Path) -> list[Statement]:
    """Every command that the page shows, in its order: of blocks fenced as sh and of indented ones."""
    text = page.read_text(encoding="utf-8")
    code = [(block.line, block.text) for block in blocks(page, "sh")]
    bare = _FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
    for match in _INDENTED.finditer(bare):
        block = "".join(line[4:] if line.strip() else "\n" for line in match[1].splitlines(keepends=True))
        if block.split()[0] in _PROGRAMS:
            code.append((bare.count("\n", 0, match.start(1)) + 1, block))
    return [Statement(page, *found) for line, block in sorted(code) for found in _split(block, line)]


def commands(page: Path) -> Iterator[list[str]]:
    """The arguments of every `gdfq-export ...` among the statements."""
    for statement in statements(page):
        words = shlex.split(statement.text, comments=True)
        if words[0] == "gdfq-export" or (words[:2] == ["docker", "run"] and "gdfq-export" in words):
            yield words[words.index("gdfq-export") + 1 :]


def mentions(page: Path) -> list[list[str]]:
    """The words behind every `gdfq-export ...` in running text."""
    return [text.split() for text in re.findall(r"`gdfq-export ([^`]+)`", prose(page).replace("\n", " "))]


def _split(block: str, line: int) -> Iterator[tuple[str, int]]:
    """Commands of a block, each with its line; a loop ends with the `done` that stands at its margin."""
    held: list[str] = []
    start = line
    for number, text in enumerate(block.splitlines(), start=line):
        start = start if held else number
        held.append(text)
        loop = held[0].startswith("for ")
        if text.endswith("\\") or (loop and text != "done"):
            continue
        joined = "\n".join(held).replace("\\\n", " ").strip()
        if joined and not joined.startswith("#"):
            yield joined, start
        held = []
    assert not held, f"a command that begins in line {start} does not end"
